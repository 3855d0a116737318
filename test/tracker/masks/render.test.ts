import { beforeAll, expect, test } from "vitest";
import type { RunGraph } from "../../../detector/graph.js";
import { decodeMask } from "../../../protocol/rle.js";
import { openGraphs } from "../../../server/engine/graphs.js";
import { openPack } from "../../../server/packs/pack.js";
import { assembleFrame, renderObjects, type VideoSize } from "../../../tracker/masks/render.js";
import { presets } from "../../../tracker/presets.js";
import type { StepResult } from "../../../tracker/report.js";
import { compactPackDir } from "../../helpers/tiny-pack.js";

let run: RunGraph;
let m: number;
let rendered = 0;
beforeAll(async () => {
  const pack = await openPack(compactPackDir);
  m = pack.manifest.geometry.m;
  const graphs = await openGraphs(pack, { providers: ["cpu"], threads: 1, warn: () => {} });
  run = (role, inputs, fetch) => {
    rendered += 1;
    return graphs.run(role, inputs, fetch);
  };
});

/** An object whose mask is a rectangle, given in quarters of the frame. */
function object(objectId: number, x0: number, y0: number, x1: number, y1: number) {
  const q = m / 4;
  const inside = (x: number, y: number) => x >= x0 * q && x < x1 * q && y >= y0 * q && y < y1 * q;
  const maskLogits = Float32Array.from({ length: m * m }, (_, at) =>
    inside(at % m, Math.floor(at / m)) ? 8 : -8,
  );
  return { objectId, prob: 0.5 + objectId / 100, score: 1, maskLogits };
}

const { mask, sam3Parity } = presets.compact;
const rules = { ...mask, ...sam3Parity };
const stats = { tracked: 2, dropped: 1 };

/** Renders a frame without the assignment of pixels to objects. */
async function renderFrame(
  runGraph: RunGraph,
  side: number,
  video: VideoSize,
  frameIndex: number,
  result: StepResult,
  maxBytesPerRun?: number,
) {
  const rendered = await renderObjects(
    runGraph,
    side,
    video,
    result.objects,
    maxBytesPerRun === undefined ? {} : { maxBytesPerRun },
  );
  return assembleFrame(rendered, video, frameIndex, result.stats, rules);
}

test("masks have the size of the video and tight relative boxes, ordered by id", async () => {
  const objects = [object(9, 2, 1, 4, 3), object(4, 0, 0, 1, 4)];
  const output = await renderFrame(run, m, { width: 160, height: 80 }, 5, { objects, stats });
  expect(output).toMatchObject({ frameIndex: 5, stats });
  expect(output.objects.map(({ objectId, prob, boxXywh }) => ({ objectId, prob, boxXywh }))).toEqual([
    { objectId: 4, prob: 0.54, boxXywh: [0, 0, 0.25, 1] },
    { objectId: 9, prob: 0.59, boxXywh: [0.5, 0.25, 0.5, 0.5] },
  ]);
  const right = output.objects[1];
  if (!right) throw new Error("no object 9");
  const { data } = decodeMask(right.mask);
  const inside = (x: number, y: number) => (x >= 80 && y >= 20 && y < 60 ? 1 : 0);
  expect(data).toEqual(
    Uint8Array.from({ length: 160 * 80 }, (_, at) => inside(at % 160, Math.floor(at / 160))),
  );
});

test("an object with an empty mask is left out", async () => {
  const objects = [object(1, 0, 0, 0, 0), object(2, 0, 0, 4, 4)];
  const output = await renderFrame(run, m, { width: 33, height: 17 }, 0, { objects, stats });
  expect(output.objects.map(({ objectId }) => objectId)).toEqual([2]);
  expect(output.objects[0]?.boxXywh).toEqual([0, 0, 1, 1]);
});

test("a frame without objects renders nothing", async () => {
  const before = rendered;
  const output = await renderFrame(run, m, { width: 33, height: 17 }, 0, { objects: [], stats });
  expect(output.objects).toEqual([]);
  expect(rendered).toBe(before);
});

test("many objects are rendered in several runs, with the same masks", async () => {
  const objects = [1, 2, 3].map((id) => object(id, id - 1, 0, id, 4));
  const before = rendered;
  const output = await renderFrame(run, m, { width: 64, height: 48 }, 0, { objects, stats }, 2 * 64 * 48);
  expect(rendered - before).toBe(2);
  expect(output.objects.map(({ boxXywh }) => boxXywh)).toEqual([
    [0, 0, 0.25, 1],
    [0.25, 0, 0.25, 1],
    [0.5, 0, 0.25, 1],
  ]);
});
