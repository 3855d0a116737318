/** Masks as prompts, with the embedded pack, under every preset. */
import { beforeAll, describe, expect, it } from "vitest";
import type { RunGraph } from "../../detector/graph.js";
import { type CocoRle, decodeMask, encodeMask } from "../../protocol/rle.js";
import type { FrameOutput } from "../../tracker/frame-output.js";
import type { PresetName } from "../../tracker/presets.js";
import type { TrackingSession } from "../../tracker/tracking-session.js";
import {
  type CompactPack,
  circleAt,
  circlesFrame,
  openCompactPack,
  openCompactSession,
  squareAt,
} from "../helpers/compact-session.js";
import { pass, type Request, send } from "./requests.js";

const FRAMES = 24;
const video = { width: 160, height: 120 };
const presets = ["compact", "masklet", "sam3", "sam3-ablation", "transformers"] as const;

let compact: CompactPack;

beforeAll(async () => {
  compact = await openCompactPack();
});

const open = (preset: PresetName, run?: RunGraph) =>
  openCompactSession(compact, { preset, video, numFrames: FRAMES, ...(run && { run }) });

function maskOf(isInside: (x: number, y: number, pixel: number) => boolean): CocoRle {
  const { width, height } = video;
  const bits = Uint8Array.from({ length: width * height }, (_, pixel) =>
    isInside(((pixel % width) + 0.5) / width, (Math.floor(pixel / width) + 0.5) / height, pixel) ? 1 : 0,
  );
  return encodeMask(bits, width, height);
}

/** The square, with holes and specks that no model draws and that cleaning would remove. */
const ragged = (index: number) => {
  const [cx, cy] = squareAt(index);
  return maskOf((x, y, pixel) => {
    const isInside = Math.abs(x - cx) < 0.1 && Math.abs(y - cy) < 0.1;
    return pixel % 97 === 0 ? !isInside : isInside;
  });
};
const circle = (index: number) => {
  const [cx, cy] = circleAt(index);
  return maskOf((x, y) => Math.hypot(x - cx, y - cy) < 0.11);
};

interface Answer {
  output: FrameOutput;
  objectId: number;
}

const ask = (session: TrackingSession, request: Request) =>
  send(session, (index) => circlesFrame(compact, index), request);
const prompt = async (session: TrackingSession, request: Request) => (await ask(session, request)) as Answer;

/** @returns the outputs of a pass, by frame */
async function propagate(session: TrackingSession, first: number, last: number) {
  const shown = new Map<number, FrameOutput>();
  const [begin, ...steps] = pass(first, last, first);
  const { mode } = (await ask(session, begin as Request)) as { mode: string };
  for (const step of steps) {
    if (step.do !== "step") continue;
    const outputs = mode === "fetch" ? [session.fetch(step.frame)] : await ask(session, step);
    for (const output of outputs as FrameOutput[]) shown.set(output.frameIndex, output);
  }
  return shown;
}

const maskIn = (output: FrameOutput | undefined, id: number) =>
  output?.objects.find(({ objectId }) => objectId === id)?.mask;

function iou(a: CocoRle | undefined, b: CocoRle): number {
  if (!a) return 0;
  const [p, q] = [decodeMask(a).data, decodeMask(b).data];
  let [both, either] = [0, 0];
  p.forEach((bit, pixel) => {
    if (bit && q[pixel]) both++;
    if (bit || q[pixel]) either++;
  });
  return both / either;
}

describe.each(presets)("a mask as a prompt under %s", (preset) => {
  it("is shown unchanged on its frame, and tracked in both directions", async () => {
    const session = open(preset);
    const { output, objectId } = await prompt(session, { do: "mask", frame: 6, mask: ragged(6) });
    expect(maskIn(output, objectId)).toEqual(ragged(6));
    const shown = new Map([...(await propagate(session, 6, 12)), ...(await propagate(session, 6, 2))]);
    expect([...shown.keys()].sort((a, b) => a - b)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    for (const [index, frame] of shown) {
      if (index === 6) expect(maskIn(frame, objectId)).toEqual(ragged(6));
      else expect(iou(maskIn(frame, objectId), ragged(index))).toBeGreaterThan(0.6);
    }
  });

  it("keeps all its pixels where it overlaps other objects", async () => {
    const session = open(preset);
    const half = maskOf((x, y) => Math.abs(x - squareAt(0)[0]) < 0.05 && Math.abs(y - squareAt(0)[1]) < 0.1);
    await prompt(session, { do: "mask", frame: 0, mask: ragged(0), objectId: 1 });
    const { output } = await prompt(session, { do: "mask", frame: 0, mask: half, objectId: 2 });
    for (const frame of [output, (await propagate(session, 0, 3)).get(0)]) {
      expect(maskIn(frame, 1)).toEqual(ragged(0));
      expect(maskIn(frame, 2)).toEqual(half);
    }
  });

  it("corrects a detected object, also against its detection", async () => {
    const session = open(preset);
    await ask(session, { do: "phrase", frame: 0, text: "red circle" });
    const before = await propagate(session, 0, 16);
    const id = before.get(16)?.objects[0]?.objectId as number;
    const { output } = await prompt(session, { do: "mask", frame: 16, mask: ragged(16), objectId: id });
    expect(maskIn(output, id)).toEqual(ragged(16));
    const after = await propagate(session, 16, 20);
    expect(maskIn(after.get(16), id)).toEqual(ragged(16));
  });

  it("is refined by clicks with it or after it", async () => {
    const masks: boolean[] = [];
    const session = open(preset, (role, inputs, fetch) => {
      if (role === "segment") masks.push(inputs.has_mask?.data[0] === 1);
      return compact.graphs.run(role, inputs, fetch);
    });
    const points = [circleAt(0)];
    const { output, objectId } = await prompt(session, { do: "mask", frame: 0, mask: circle(0), points });
    expect(iou(maskIn(output, objectId), circle(0))).toBeGreaterThan(0.6);
    await prompt(session, { do: "mask", frame: 0, mask: ragged(0), objectId });
    const click: Request = { do: "click", frame: 0, point: squareAt(0), objectId };
    const refined = await prompt(session, click);
    expect(masks).toEqual([true, true]);
    expect(maskIn(refined.output, objectId)).not.toEqual(ragged(0));
    expect(maskIn((await propagate(session, 0, 2)).get(0), objectId)).not.toEqual(ragged(0));
  });

  it("keeps a mask of a single pixel", async () => {
    const session = open(preset);
    const dot = maskOf((_x, _y, pixel) => pixel === 60 * video.width + 61);
    const { output, objectId } = await prompt(session, { do: "mask", frame: 0, mask: dot });
    expect(maskIn(output, objectId)).toEqual(dot);
    expect(maskIn((await propagate(session, 0, 1)).get(0), objectId)).toEqual(dot);
  });
});

it.each(["compact", "masklet"] as const)(
  "masks are shown unchanged when there are more of them than memories under %s",
  async (preset) => {
    const session = open(preset);
    for (let frame = 0; frame < 20; frame++)
      await prompt(session, { do: "mask", frame, mask: ragged(frame), objectId: 1 });
    const shown = await propagate(session, 0, 19);
    for (const [index, frame] of shown) expect(maskIn(frame, 1)).toEqual(ragged(index));
  },
);
