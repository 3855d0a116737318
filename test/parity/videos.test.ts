/**
 * Runs whole clips through the code of the inference process and ONNX Runtime, and compares ids, scores, boxes and masks of
 * every frame with transformers' video pipelines on the same frames with the same weights.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { decodeMask } from "../../protocol/rle.js";
import type { FrameOutput } from "../../server/engine/engine.js";
import { createSessionHost, type SessionHost } from "../../server/engine/session-host.js";
import { type ClickRun, type ConceptRun, type GoldenFrame, goldenNames, openGolden } from "./golden.js";

const SCORE_ERROR = 1e-4;
const BOX_ERROR_PIXELS = 1;
const MASK_IOU = 0.999;

/** The largest deviations of a run. `MASKLET_AGREEMENT=1` prints them, to compare them with the limits. */
interface Agreement {
  iou: number;
  score: number;
  box: number;
  compared: number;
}

/** Rules of transformers that the recordings of a family must apply; `training/parity` counts them during the recording. */
const RULES = [
  "late births",
  "unmatched",
  "empty",
  "shared detections",
  "weak detections refused",
  "removed unmatched",
  "removed duplicate",
  "reconditioned",
  "suppressed by occlusion",
  "suppressed by shrinking",
  "frames with several conditioning frames",
  "conditioning frames left out",
  "frames tracked again for a birth",
  "absent",
  "overlap across phrases ignored",
];

describe.each(goldenNames())("videos through %s", (name) => {
  const golden = openGolden(name);
  let directory: string;
  let host: SessionHost;
  let sessions = 0;
  let agreement: Agreement = { iou: 1, score: 0, box: 0, compared: 0 };

  beforeEach(() => {
    agreement = { iou: 1, score: 0, box: 0, compared: 0 };
  });
  afterEach(({ task }) => {
    if (process.env.MASKLET_AGREEMENT) console.log(name, task.name, JSON.stringify(agreement));
  });

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), "masklet-parity-"));
    await golden.unpack(directory);
    host = createSessionHost(() => {});
    await host.processHandlers.load({ packDir: directory, providers: ["cpu"], threads: 1 });
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  async function openSession(run: ConceptRun | ClickRun) {
    const clip = golden.clips[run.clip];
    if (!clip) throw new Error(`there is no clip ${run.clip}`);
    const { dims, data } = golden.tensor(clip);
    const [numFrames = 0, side = 0] = dims;
    const session = sessions++;
    const [height, width] = run.size;
    const policy = run.kind === "concepts" ? run.policy : {};
    await host.processHandlers.open({ session, video: { width, height, numFrames, policy } });
    const frame = (index: number) => ({
      index,
      rgb: (data as Uint8Array).subarray(index * side * side * 3, (index + 1) * side * side * 3),
    });
    return { session, frame, numFrames };
  }

  async function propagate(session: number, frames: readonly number[], reverse: boolean, frame: FrameAt) {
    const [firstFrame, lastFrame] = [frames[0], frames.at(-1)];
    if (firstFrame === undefined || lastFrame === undefined) return [];
    await host.call(session, "begin", { reverse, firstFrame, lastFrame, startFrame: firstFrame });
    const outputs: FrameOutput[] = [];
    for (const frameIndex of frames) {
      await host.call(session, "push", { frame: frame(frameIndex) });
      outputs.push(...(await host.call(session, "next", undefined)));
    }
    return outputs;
  }

  const concepts = golden.runs.filter((run) => run.kind === "concepts");
  test.each(concepts.map((run) => [run.name, run] as const))("phrases: %s", async (_, run) => {
    const { session, frame } = await openSession(run);
    const first = run.passes[0]?.start ?? 0;
    for (const [index, text] of run.phrases.entries()) {
      const shown = run.exemplars?.phrase === index ? run.exemplars : null;
      await host.call(session, "prompt", {
        frame: frame(shown?.frame ?? first),
        prompt: {
          kind: "concept",
          text,
          replace: false,
          ...(shown ? { exemplars: { boxesXywh: shown.boxes.map(cornered), labels: shown.labels } } : {}),
        },
      });
    }
    for (const [index, { reverse }] of run.passes.entries()) {
      const wanted = run.answers[index] ?? [];
      const frames = wanted.map((each) => each.frame);
      const outputs = await propagate(session, frames, reverse, frame);
      expect(outputs.map(({ frameIndex }) => frameIndex)).toEqual(frames);
      for (const [at, expected] of wanted.entries()) compareFrame(outputs[at] as FrameOutput, expected, true);
    }
  });

  test.runIf(concepts.length > 0)("while they were recorded, every rule of the video model fired", () => {
    const fired = (rule: string) => concepts.some((run) => (run.fired[rule] ?? 0) > 0);
    expect(RULES.filter((rule) => !fired(rule))).toEqual([]);
  });

  const clicks = golden.runs.filter((run) => run.kind === "clicks");
  test.each(clicks.map((run) => [run.name, run] as const))("clicks: %s", async (_, run) => {
    const { session, frame } = await openSession(run);
    for (const [index, act] of run.acts.entries()) {
      const wanted = run.answers[index] ?? [];
      if (act.act === "click") {
        const { output } = await host.call(session, "prompt", {
          frame: frame(act.frame),
          prompt: {
            kind: "object",
            objectId: act.object_id,
            points: act.points,
            labels: act.labels,
            ...(act.box_xyxy ? { boxXywh: sized(act.box_xyxy) } : {}),
            clearOldPoints: act.clear,
            clearOldBoxes: act.clear,
          },
        });
        compareFrame(output, wanted[0] as GoldenFrame, false);
        continue;
      }
      const frames = wanted.map((each) => each.frame);
      const outputs = await propagate(session, frames, act.reverse, frame);
      expect(outputs.map(({ frameIndex }) => frameIndex)).toEqual(frames);
      for (const [at, expected] of wanted.entries())
        compareFrame(outputs[at] as FrameOutput, expected, false);
    }
  });

  /** @param scored whether to compare probabilities. Clicked objects have probability 1 here, and a logit in transformers. */
  function compareFrame(output: FrameOutput, expected: GoldenFrame, scored: boolean) {
    const where = `frame ${expected.frame}`;
    const [count = 0, height = 0, width = 0] = expected.masks.shape;
    const bits = golden.bits(expected.masks);
    const areas = expected.ids.map((_, row) =>
      area(bits.subarray(row * height * width, (row + 1) * height * width)),
    );
    // For concepts, both list objects that lost all pixels to others. For clicks, only transformers lists empty masks.
    const visible = expected.ids.filter((_, row) => scored || (areas[row] as number) > 0);
    expect(
      output.objects.map(({ objectId }) => objectId),
      `ids on ${where}`,
    ).toEqual(visible);
    for (let row = 0; row < count; row++) {
      if (areas[row] === 0) continue;
      const id = expected.ids[row];
      const object = output.objects.find(({ objectId }) => objectId === id);
      if (!object) throw new Error(`no object ${id} on ${where}`);
      const wantedBits = bits.subarray(row * height * width, (row + 1) * height * width);
      const overlap = iou(decodeMask(object.mask).data, wantedBits);
      const scoreError = scored ? Math.abs(object.prob - (expected.scores[row] as number)) : 0;
      const [x, y, w, h] = object.boxXywh;
      const edges = [x * width, y * height, (x + w) * width, (y + h) * height];
      const boxError = Math.max(
        ...(expected.boxes[row] ?? []).map((value, at) => Math.abs((edges[at] as number) - value)),
      );
      agreement.compared++;
      agreement.iou = Math.min(agreement.iou, overlap);
      agreement.score = Math.max(agreement.score, scoreError);
      agreement.box = Math.max(agreement.box, boxError);
      expect.soft(overlap, `mask IoU of object ${id} on ${where}`).toBeGreaterThanOrEqual(MASK_IOU);
      expect.soft(scoreError, `score of object ${id} on ${where}`).toBeLessThanOrEqual(SCORE_ERROR);
      expect
        .soft(boxError, `largest error of the box of object ${id} on ${where}`)
        .toBeLessThanOrEqual(BOX_ERROR_PIXELS + 1e-6);
    }
  }
});

type FrameAt = (index: number) => { index: number; rgb: Uint8Array };

function cornered(cxcywh: number[]): [number, number, number, number] {
  const [cx = 0, cy = 0, w = 0, h = 0] = cxcywh;
  return [cx - w / 2, cy - h / 2, w, h];
}

function sized([x0, y0, x1, y1]: readonly [number, number, number, number]): [
  number,
  number,
  number,
  number,
] {
  return [x0, y0, x1 - x0, y1 - y0];
}

function area(bits: Uint8Array): number {
  return bits.reduce((sum, bit) => sum + bit, 0);
}

function iou(a: Uint8Array, b: Uint8Array): number {
  let both = 0;
  let either = 0;
  for (let at = 0; at < b.length; at++) {
    both += (a[at] as number) & (b[at] as number);
    either += (a[at] as number) | (b[at] as number);
  }
  return either === 0 ? 1 : both / either;
}
