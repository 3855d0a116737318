/**
 * The adapter for a CVAT server, with the requests of its `lambda_manager` and the embedded model: `lambda_gateway.py` sends them from a
 * server with keys. The answers are compared with the truth of a drawn clip, in which the circle leaves and returns.
 */
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { encodeMask, rleOfPolygons } from "../../../protocol/index.js";
import { maskIou } from "../../../server/exports/mask-sets.js";
import { maskOfRowRuns, rowRunsOf } from "../../../server/exports/row-runs.js";
import { createKey } from "../../../server/keys/key.js";
import { keyLine } from "../../../server/keys/key-lines.js";
import { startServer } from "../../../server/main.js";
import { CIRCLE, type Clip, HEIGHT, maskOf, SQUARE, WIDTH } from "./clip.js";
import { createComparison, type Outcome } from "./outcome.js";
import { type RecordedRequest, startRecorder } from "./recorder.js";

const LEAST_IOU = 0.75;

// biome-ignore lint/suspicious/noExplicitAny: answers of functions
type Json = any;
type Rle = ReturnType<typeof maskOf>;

export interface NuclioParts {
  python: string;
  folder: string;
  clip: Clip;
  /** Paths of the frames. */
  frames: readonly string[];
  outcome: Outcome;
}

/** Returns the requests that the adapter received. */
export async function testNuclio(parts: NuclioParts): Promise<RecordedRequest[]> {
  const { python, folder, frames, outcome } = parts;
  const key = createKey();
  const server = await startServer({
    ...{ port: 0, logLevel: "error", adapters: ["cvat"], cvatLabels: ["red circle"] },
    keysFile: keyLine("cvat", key),
  });
  const recorder = await startRecorder(`http://127.0.0.1:${server.port}`);
  outcome.watch(() => recorder.problem(100));
  const netrc = join(folder, "netrc");
  writeFileSync(netrc, `machine 127.0.0.1 login cvat password ${key}\n`);
  const gateway = spawn(python, [fileURLToPath(new URL("lambda_gateway.py", import.meta.url))], {
    env: {
      ...process.env,
      NETRC: netrc,
      CVAT_NUCLIO_HOST: "127.0.0.1",
      CVAT_NUCLIO_PORT: new URL(recorder.url).port,
    },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface(gateway.stdout)[Symbol.asyncIterator]();
  const next = async (): Promise<Json> => {
    const { done, value } = await lines.next();
    if (done) throw new Error("The program that sends the requests of CVAT has ended.");
    return JSON.parse(value);
  };
  const images = frames.map((path) => readFileSync(path).toString("base64"));
  const invoke = (kind: string, frame: number, payload: object): Promise<Json> => {
    const call = { function: `masklet-${kind}`, payload: { image: images[frame], ...payload } };
    gateway.stdin.write(`${JSON.stringify(call)}\n`);
    return next();
  };
  try {
    const { response: functions, error } = await next();
    outcome.check(
      Object.keys(functions ?? {}).length === 3,
      `CVAT finds the functions ${JSON.stringify(functions ?? error)}.`,
    );
    await testTracker(parts, invoke);
    await testInteractor(parts, invoke);
    await testDetector(parts, invoke);
    return recorder.requests;
  } finally {
    gateway.kill();
    await recorder.close();
    await server.close();
  }
}

type Invoke = (kind: string, frame: number, payload: object) => Promise<Json>;

const corners = ([x, y]: readonly [number, number], half: number) =>
  [x - half, y - half, x + half, y + half] as const;

const ringOf = ([x0, y0, x1, y1]: readonly number[]) => [x0, y0, x1, y0, x1, y1, x0, y1] as number[];

/** A mask as CVAT sends and reads it. */
function readMask(points: readonly number[]): Rle {
  const [x0, y0, x1, y1] = points.slice(-4) as [number, number, number, number];
  return maskOfRowRuns(points.slice(0, -4), [x0, y0, x1 - x0 + 1, y1 - y0 + 1], [HEIGHT, WIDTH]);
}

function writeMask(mask: Rle): number[] {
  const { runs, box } = rowRunsOf(mask);
  const [x, y, width, height] = box;
  return [...runs, x, y, x + width - 1, y + height - 1];
}

async function testTracker({ clip, outcome }: NuclioParts, invoke: Invoke): Promise<void> {
  const [circle, square] = [
    corners(CIRCLE.at(0, clip), CIRCLE.half),
    corners(SQUARE.at(0, clip), SQUARE.half),
  ];
  const shapes = [
    { type: "rectangle", points: circle },
    { type: "polygon", points: ringOf(square) },
    { type: "mask", points: writeMask(maskOf(CIRCLE.isIn(0, clip))) },
  ];
  const started = await invoke("tracker", 0, { shapes, states: [] });
  const states: string[] = started.response?.states ?? [];
  outcome.check(states.length === 3, `The tracker starts with ${JSON.stringify(started)}.`);
  const comparison = createComparison(outcome, "function of CVAT, tracker", LEAST_IOU);
  for (let frame = 1; frame < clip.frames; frame++) {
    const { response, error } = await invoke("tracker", frame, { shapes: states.map(() => null), states });
    outcome.check(response !== undefined, `Frame ${frame}: the tracker fails: ${error}`);
    const isAway = CIRCLE.at(frame, clip)[0] < 0;
    const [box, polygon, mask] = response?.shapes ?? [];
    for (const one of [box, mask])
      outcome.check(isAway === (one === null), `Frame ${frame}: the circle is ${one ? "there" : "gone"}.`);
    if (mask)
      comparison.add(
        `mask, frame ${frame}`,
        maskIou(readMask(mask.points), maskOf(CIRCLE.isIn(frame, clip))),
      );
    const boxTruth = rleOfPolygons([ringOf(corners(CIRCLE.at(frame, clip), CIRCLE.half))], [HEIGHT, WIDTH]);
    if (box)
      comparison.add(
        `circle, frame ${frame}`,
        maskIou(rleOfPolygons([ringOf(box.points)], [HEIGHT, WIDTH]), boxTruth),
      );
    if (polygon)
      comparison.add(
        `square, frame ${frame}`,
        maskIou(rleOfPolygons([polygon.points], [HEIGHT, WIDTH]), maskOf(SQUARE.isIn(frame, clip))),
      );
  }
  const wrong = await invoke("tracker", 0, { shapes: [null], states: ["gone/0"] });
  outcome.check(
    /^404 Client Error: The session of this track has ended; start the track again on this frame\. for url: /.test(
      wrong.error ?? "",
    ),
    `CVAT shows ${JSON.stringify(wrong)} for a state of an ended session.`,
  );
  outcome.report(`functions in place of Nuclio, tracker, lowest IoU ${comparison.lowest()}.`);
}

async function testInteractor({ clip, outcome }: NuclioParts, invoke: Invoke): Promise<void> {
  const [x, y] = SQUARE.at(2, clip);
  const [x0, y0, x1, y1] = corners([x, y], SQUARE.half + 2);
  const comparison = createComparison(outcome, "function of CVAT, interactor", LEAST_IOU);
  for (const obj_bbox of [
    [],
    [
      [x0, y0],
      [x1, y1],
    ],
  ]) {
    const { response, error } = await invoke("interactor", 2, {
      pos_points: [[x, y]],
      neg_points: [[10, 10]],
      obj_bbox,
    });
    const bits = Uint8Array.from(response?.mask?.flat() ?? []);
    outcome.check(
      bits.length === WIDTH * HEIGHT,
      `The interactor answers ${error ?? `${bits.length} pixels`}.`,
    );
    if (bits.length === WIDTH * HEIGHT)
      comparison.add("frame 2", maskIou(encodeMask(bits, WIDTH, HEIGHT), maskOf(SQUARE.isIn(2, clip))));
  }
  outcome.report(`functions in place of Nuclio, interactor, lowest IoU ${comparison.lowest()}.`);
}

async function testDetector({ clip, outcome }: NuclioParts, invoke: Invoke): Promise<void> {
  const { response, error } = await invoke("detector", 1, { threshold: 0.5 });
  const [found] = response ?? [];
  outcome.check(
    found?.label === "red circle",
    `The detector answers ${JSON.stringify(response ?? error).slice(0, 300)}.`,
  );
  if (!found) return;
  const comparison = createComparison(outcome, "function of CVAT, detector", LEAST_IOU);
  const truth = maskOf(CIRCLE.isIn(1, clip));
  const [x0, y0, x1, y1] = found.mask.slice(-4);
  const inBox: number[] = found.mask.slice(0, -4);
  const width = x1 - x0 + 1;
  const bits = new Uint8Array(WIDTH * HEIGHT);
  inBox.forEach((bit, at) => {
    bits[(y0 + Math.floor(at / width)) * WIDTH + x0 + (at % width)] = bit;
  });
  outcome.check(
    y1 - y0 + 1 === inBox.length / width,
    "The box of the detection has other pixels than its mask.",
  );
  comparison.add("as mask", maskIou(encodeMask(bits, WIDTH, HEIGHT), truth));
  comparison.add("as polygon", maskIou(rleOfPolygons([found.points], [HEIGHT, WIDTH]), truth));
  outcome.report(`functions in place of Nuclio, detector, lowest IoU ${comparison.lowest()}.`);
}
