/**
 * The agent of CVAT with `masklet_cvat.py`, against a small stand-in for CVAT's queue: `tsx cvat.ts PYTHON`. `cvat-cli` creates the
 * functions and drains the queue, `cvat_sdk.masks` decodes the masks, and they are compared with the truth of a drawn clip, in which the
 * circle leaves and returns. Then the tracks of a session are uploaded into a task, and functions are called in place of Nuclio.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { connect } from "../../../clients/typescript/index.js";
import { decodeMask, rleOfPolygons } from "../../../protocol/index.js";
import { maskIou } from "../../../server/exports/mask-sets.js";
import { startServer } from "../../../server/main.js";
import { CIRCLE, type Clip, drawFrames, HEIGHT, maskOf, SQUARE, WIDTH } from "./clip.js";
import { type CvatQueue, FUNCTION, startCvatQueue, TASK } from "./cvat-queue.js";
import { testNuclio } from "./nuclio.js";
import { createComparison, createOutcome } from "./outcome.js";
import { saveRecording, startRecorder, withoutPeople } from "./recorder.js";

const LEAST_IOU = 0.75;
const MAX_BYTES = 256 * 1024 ** 2;

const clip: Clip = { frames: 12, away: [5, 6] };
const [python = "python3"] = process.argv.slice(2);
const clients = fileURLToPath(new URL("../../../clients/python", import.meta.url));
const program = join(clients, "masklet_cvat.py");
const folder = mkdtempSync(join(tmpdir(), "masklet-cvat-"));
const outcome = createOutcome("CVAT");
const { check } = outcome;
const run = promisify(execFile);

// biome-ignore lint/suspicious/noExplicitAny: bodies of CVAT
type Json = any;
type Rle = ReturnType<typeof maskOf>;

const env = {
  ...process.env,
  ...{ PYTHONPATH: join(clients, "src"), CVAT_ACCESS_TOKEN: "token", HOME: folder },
};
const options = { env, maxBuffer: MAX_BYTES, timeout: 240_000 };

/** Masks by `cvat_sdk.masks`, as COCO run lengths of columns. */
async function decodeMasks(masks: readonly number[][]): Promise<Rle[]> {
  const code = `import json, sys, numpy as np
from cvat_sdk.masks import decode_mask
for points in json.load(sys.stdin):
    flat = decode_mask(points, image_width=${WIDTH}, image_height=${HEIGHT}).astype(np.uint8)
    print("".join(map(str, flat.ravel().tolist())))`;
  const started = run(python, ["-c", code], options);
  started.child.stdin?.end(JSON.stringify(masks));
  const { stdout } = await started;
  return stdout
    .trim()
    .split("\n")
    .map((line) => maskOf((x, y) => line[y * WIDTH + x] === "1"));
}

/** As CVAT encodes a mask: run lengths of the rows in its box, background first, and the box. */
function cvatMask(rle: Rle, [x0, y0, x1, y1]: readonly number[]): number[] {
  const bits = decodeMask(rle).data;
  const runs = [0];
  let value = 0;
  for (let y = y0 as number; y <= (y1 as number); y++)
    for (let x = x0 as number; x <= (x1 as number); x++) {
      if (bits[y * WIDTH + x] !== value) {
        value = 1 - value;
        runs.push(0);
      }
      runs[runs.length - 1] = (runs.at(-1) as number) + 1;
    }
  return [...runs, x0, y0, x1, y1] as number[];
}

/** Creates the function and runs the agent until the queue is empty. */
async function drain(queue: CvatQueue, server: string, parameters: readonly string[]): Promise<void> {
  const loading = ["--function-file", program, "-p", `url=str:${server}`];
  const given = parameters.flatMap((one) => ["-p", one]);
  const call = (...args: string[]) =>
    run(python, ["-m", "cvat_cli", "--server-host", queue.url, "function", ...args], options);
  await call("create-native", "masklet", ...loading, ...given);
  await call("run-agent", String(FUNCTION), ...loading, ...given, "--burst");
}

const corners = ([x, y]: readonly [number, number], half: number) => [x - half, y - half, x + half, y + half];

/** @param endSessions ends all sessions of the server, as after a time without use */
async function testTracker(queue: CvatQueue, server: string, endSessions: () => void): Promise<void> {
  const circle = CIRCLE.at(0, clip);
  const [sx0, sy0, sx1, sy1] = corners(SQUARE.at(0, clip), SQUARE.half) as [number, number, number, number];
  const box = corners(circle, CIRCLE.half).map(Math.round);
  const shapes = [
    {
      type: "mask",
      points: cvatMask(maskOf(CIRCLE.isIn(0, clip)), corners(circle, CIRCLE.half + 2).map(Math.round)),
    },
    { type: "polygon", points: [sx0, sy0, sx1, sy0, sx1, sy1, sx0, sy1] },
    { type: "rectangle", points: box },
  ];
  queue.requests = [
    () => ({ type: "init_tracking", frame: 0, shapes }),
    ...Array.from({ length: clip.frames - 1 }, (_, at) => (ended: Readonly<CvatQueue["ended"]>) => ({
      ...{ type: "track", frame: at + 1 },
      states: ended[0]?.result?.states ?? [],
    })),
    // Wrong requests between right ones.
    () => ({ type: "init_tracking", frame: 0, shapes: [{ type: "rectangle", points: [-90, 0, -10, 50] }] }),
    () => ({ type: "init_tracking", frame: 0, shapes: [shapes[0]] }),
    (ended) => {
      endSessions();
      return { type: "track", frame: 1, states: ended.at(-1)?.result?.states ?? [] };
    },
    () => ({ type: "init_tracking", frame: 1, shapes: [shapes[0]] }),
  ];
  queue.ended.length = 0;
  await drain(queue, server, []);
  const [started, ...rest] = queue.ended;
  check(started?.result?.states?.length === 3, `The tracker starts with ${JSON.stringify(started)}.`);
  const tracked = rest.slice(0, clip.frames - 1).map(({ result, failure }) => {
    check(result !== undefined, `The tracker failed: ${failure}`);
    return (result?.shapes ?? []) as ({ type: string; points: number[] } | null)[];
  });
  const comparisons = ["mask", "polygon", "rectangle"].map((type) =>
    createComparison(outcome, `tracked ${type}`, LEAST_IOU),
  );
  const masks = await decodeMasks(tracked.flatMap(([mask]) => (mask ? [mask.points] : [])));
  tracked.forEach((found, at) => {
    const frame = at + 1;
    const truth = [CIRCLE.isIn, SQUARE.isIn, CIRCLE.isIn].map((isInside) => maskOf(isInside(frame, clip)));
    const isAway = CIRCLE.at(frame, clip)[0] < 0;
    found.forEach((shape, index) => {
      const isGone = isAway && index !== 1;
      check(isGone === (shape === null), `Frame ${frame}: shape ${index} is ${shape ? "there" : "gone"}.`);
      if (!shape || isGone) return;
      const boxes = { outline: shape.points, truth: truth[index] as Rle };
      if (shape.type === "rectangle") {
        const [x0, y0, x1, y1] = shape.points as [number, number, number, number];
        boxes.outline = [x0, y0, x1, y0, x1, y1, x0, y1];
        const [tx0, ty0, tx1, ty1] = corners(CIRCLE.at(frame, clip), CIRCLE.half) as [
          number,
          number,
          number,
          number,
        ];
        boxes.truth = rleOfPolygons([[tx0, ty0, tx1, ty0, tx1, ty1, tx0, ty1]], [HEIGHT, WIDTH]);
      }
      const own = index === 0 ? (masks.shift() as Rle) : rleOfPolygons([boxes.outline], [HEIGHT, WIDTH]);
      comparisons[index]?.add(`frame ${frame}`, maskIou(own, boxes.truth));
    });
  });
  const [wrong, after, lost, again] = rest.slice(clip.frames - 1);
  check(
    /the rectangle .* is outside the picture/.test(wrong?.failure ?? ""),
    `A rectangle outside the picture gives ${JSON.stringify(wrong)}.`,
  );
  check(after?.result?.states?.length === 1, `After a wrong request: ${JSON.stringify(after)}.`);
  check(
    /the session of this track has ended; start the track again on this frame/.test(lost?.failure ?? ""),
    `A track whose session has ended gives ${JSON.stringify(lost)}.`,
  );
  check(again?.result?.states?.length === 1, `After an ended session: ${JSON.stringify(again)}.`);
  const lowest = comparisons.map(({ lowest }) => lowest());
  outcome.report(`tracker, lowest IoU of mask ${lowest[0]}, polygon ${lowest[1]}, rectangle ${lowest[2]}.`);
}

async function testInteractor(queue: CvatQueue, server: string): Promise<void> {
  const [x, y] = SQUARE.at(2, clip);
  const box = corners([x, y], SQUARE.half + 2);
  queue.requests = [
    () => ({ type: "interact", frame: 2, pos_points: [[x, y]], neg_points: [], obj_bbox: [] }),
    () => ({
      ...{ type: "interact", frame: 2, pos_points: [[x, y]], neg_points: [[10, 10]] },
      obj_bbox: [box.slice(0, 2), box.slice(2)],
    }),
  ];
  queue.ended.length = 0;
  await drain(queue, server, ["kind=str:interactor"]);
  check(queue.ended.length === 2, `The interactor ended ${JSON.stringify(queue.ended)}.`);
  const comparison = createComparison(outcome, "interactor", LEAST_IOU);
  const masks = await decodeMasks(
    queue.ended.map(({ result }) => result?.shapes?.[0]?.points ?? [1, 0, 0, 0, 0]),
  );
  for (const mask of masks) comparison.add("frame 2", maskIou(mask, maskOf(SQUARE.isIn(2, clip))));
  outcome.report(`interactor, lowest IoU ${comparison.lowest()}.`);
}

async function testDetector(queue: CvatQueue, server: string): Promise<void> {
  const request = {
    type: "annotate_frame",
    mapping: { "red circle": { name: "red circle", attributes: {} } },
  };
  queue.requests = [
    () => ({ ...request, frame: 1, threshold: null, conv_mask_to_poly: false }),
    () => ({ ...request, frame: 1, threshold: 0.5, conv_mask_to_poly: true }),
  ];
  queue.ended.length = 0;
  await drain(queue, server, ["kind=str:detector", "labels=str:red circle"]);
  const [asMask, asPolygon] = queue.ended.map(({ result }) => result?.annotations?.shapes ?? []);
  check(
    asMask?.[0]?.type === "mask" && asPolygon?.[0]?.type === "polygon" && asMask[0].label_id === 1,
    `The detector ended ${JSON.stringify(queue.ended).slice(0, 500)}.`,
  );
  if (asMask?.[0]?.type !== "mask" || asPolygon?.[0]?.type !== "polygon") return;
  const comparison = createComparison(outcome, "detector", LEAST_IOU);
  const truth = maskOf(CIRCLE.isIn(1, clip));
  const [mask] = await decodeMasks([asMask[0].points]);
  comparison.add("as mask", maskIou(mask as Rle, truth));
  comparison.add("as polygon", maskIou(rleOfPolygons([asPolygon[0].points], [HEIGHT, WIDTH]), truth));
  outcome.report(`detector, lowest IoU ${comparison.lowest()}.`);
}

async function testUpload(queue: CvatQueue, server: string, frames: string): Promise<void> {
  const client = await connect(server);
  const session = await client.startSession({ resource_path: frames });
  const [x, y] = CIRCLE.at(0, clip);
  const relative = [
    (x - CIRCLE.half) / WIDTH,
    (y - CIRCLE.half) / HEIGHT,
    (2 * CIRCLE.half) / WIDTH,
    (2 * CIRCLE.half) / HEIGHT,
  ];
  await session.addPrompt({ frame_index: 0, obj_id: 3, bounding_boxes: [relative as never] });
  for await (const _ of session.propagate({}));
  const source = [session.id, "--task", String(TASK), "--cvat", queue.url, "--server", server];
  const command = fileURLToPath(new URL("../../../clients/command/main.ts", import.meta.url));
  const upload = (...args: string[]) =>
    run(process.execPath, ["--import", "tsx", command, "cvat-upload", ...args], options);
  await upload(...source, "--label", "square");
  const wrong = await upload(...source, "--label", "cat").catch((error) => error);
  check(/--label: expected one of/.test(wrong.stderr), `A wrong label gives ${wrong.stderr}.`);
  client.close();
  const [uploaded] = queue.uploads;
  const [track, ...others] = uploaded?.tracks ?? [];
  check(
    uploaded?.action === "create" &&
      track?.label_id === 2 &&
      others.length === 0 &&
      queue.uploads.length === 1,
    `The upload is ${JSON.stringify(queue.uploads).slice(0, 300)}.`,
  );
  // The model of the SDK refuses what CVAT would refuse.
  const validate = `import json, sys
from cvat_sdk import models
models.PatchedLabeledDataRequest._from_openapi_data(**json.load(sys.stdin))`;
  const validating = run(python, ["-c", validate], options);
  validating.child.stdin?.end(JSON.stringify({ tracks: uploaded?.tracks ?? [] }));
  await validating.catch((error) => check(false, `The SDK of CVAT refuses the tracks: ${error.stderr}`));
  const shapes: Json[] = track?.shapes ?? [];
  const isAway = (frame: number) => CIRCLE.at(frame, clip)[0] < 0;
  const outside = shapes.filter((shape) => shape.outside).map(({ frame }) => frame);
  check(String(outside) === "5", `The track ends on the frames ${outside}.`);
  const visible = shapes.filter((shape) => !shape.outside);
  check(
    String(visible.map(({ frame }) => frame)) ===
      String(Array.from({ length: clip.frames }, (_, at) => at).filter((at) => !isAway(at))),
    `The track is visible on the frames ${visible.map(({ frame }) => frame)}.`,
  );
  const comparison = createComparison(outcome, "uploaded track", LEAST_IOU);
  const masks = await decodeMasks(visible.map(({ points }) => points));
  visible.forEach(({ frame }, at) => {
    if (!isAway(frame))
      comparison.add(`frame ${frame}`, maskIou(masks[at] as Rle, maskOf(CIRCLE.isIn(frame, clip))));
  });
  outcome.report(`upload, lowest IoU ${comparison.lowest()}.`);
}

outcome.finishOnSignal();
await outcome.part("program", async () => {
  const frames = join(folder, "frames");
  const names = await drawFrames(frames, clip);
  const queue = await startCvatQueue(names);
  const server = await startServer({ port: 0, logLevel: "error", mediaRoots: [folder] });
  const recorder = await startRecorder(`http://127.0.0.1:${server.port}`);
  const url = recorder.url.replace("http:", "ws:");
  outcome.watch(() => queue.problem(200));
  const endSessions = () => {
    for (const hosted of server.predictor.sessions.all) void hosted.close();
  };
  try {
    await outcome.part("tracker", () => testTracker(queue, url, endSessions));
    await outcome.part("interactor", () => testInteractor(queue, url));
    await outcome.part("detector", () => testDetector(queue, url));
    saveRecording("cvat-cli-2.80.0", recorder.requests, withoutPeople);
    await outcome.part("upload", () => testUpload(queue, `ws://127.0.0.1:${server.port}`, frames));
    await outcome.part("functions", async () => {
      const requests = await testNuclio({ python, folder, clip, frames: names, outcome });
      saveRecording("cvat-lambda", requests, withoutPeople);
    });
    check(queue.unknown.length === 0, `cvat-cli has asked for ${queue.unknown}.`);
  } finally {
    await recorder.close();
    await server.close();
    await queue.close();
  }
});
rmSync(folder, { recursive: true, force: true });
outcome.finish();
