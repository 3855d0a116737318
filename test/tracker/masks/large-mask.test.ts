import { beforeAll, expect, test } from "vitest";
import { float32, int32, type RunGraph } from "../../../detector/graph.js";
import { encodeMask } from "../../../protocol/rle.js";
import { openGraphs } from "../../../server/engine/graphs.js";
import { openPack } from "../../../server/packs/pack.js";
import { renderLarge } from "../../../tracker/masks/large-mask.js";
import { renderMaps, renderObjects } from "../../../tracker/masks/render.js";
import { compactPackDir } from "../../helpers/tiny-pack.js";

let run: RunGraph;
let m: number;
beforeAll(async () => {
  const pack = await openPack(compactPackDir);
  m = pack.manifest.geometry.m;
  const graphs = await openGraphs(pack, { providers: ["cpu"], threads: 1, warn: () => {} });
  run = (role, inputs, fetch) => graphs.run(role, inputs, fetch);
});

/** Numbers from 0 to below 1, always the same. */
function sequence(): () => number {
  let state = 7;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state / 2 ** 32;
  };
}

const next = sequence();
const logits: Record<string, (x: number, y: number) => number> = {
  "an object": (x, y) => 12 - Math.hypot(x - 30, y - 33) + 3 * next(),
  noise: () => 64 * next() - 32,
  "values near the smallest differences": () => (next() - 0.5) * 1e-6,
  "zeros and numbers below the normal ones": () => (next() < 0.5 ? 0 : next() < 0.5 ? 1e-38 : -1e-38),
  "opposite values that differ in the last digit": () => (next() < 0.5 ? 1 : -1) * (1 + next() * 1e-7),
  "two values": () => (next() < 0.5 ? 32 : -32),
  "the whole picture": () => 1,
  "pieces at the edges and single cells": (x, y) =>
    Math.min(x, y) === 0 || (x > m - 4 && y > 40 && y < 50) || (x === 20 && y % 9 === 0) ? 2 : -3 * next(),
  "a row and a column": (x, y) => (y === m - 1 || x === m - 1 ? 1 : -1),
  nothing: () => -1,
  zeros: () => 0,
};

test.each(Object.entries(logits))("renders %s as the graph does, bit by bit", async (_name, value) => {
  const maskLogits = Float32Array.from({ length: m * m }, (_, at) => value(at % m, Math.floor(at / m)));
  for (const [width, height] of [
    [501, 377],
    [1280, 720],
    [2000, 37],
    [30, 1999],
  ] as const) {
    const { bits, area, bbox } = await run(
      "render",
      {
        mask: float32([1, 1, m, m], maskLogits),
        size: int32([2], Int32Array.of(height, width)),
        threshold: float32([], Float32Array.of(0)),
      },
      ["bits", "area", "bbox"],
    );
    expect(renderLarge(maskLogits, m, { width, height })).toEqual({
      mask: encodeMask(bits?.data as Uint8Array, width, height),
      area: area?.data[0],
      box: [...(bbox?.data ?? [])],
    });
  }
});

test("objects whose bitmaps are not needed are rendered without the graph, with the same masks", async () => {
  const video = { width: 427, height: 240 };
  const tracked = [10, 40, 70].map((x, objectId) => ({
    ...{ objectId, prob: 1, score: 1 },
    maskLogits: Float32Array.from({ length: m * m }, (_, at) => 9 - Math.hypot((at % m) - x, at / m - 40)),
  }));
  const noRun: RunGraph = () => Promise.reject(new Error("the graph ran"));
  const withBits = await renderObjects(run, m, video, tracked);
  expect(withBits.every(({ bits }) => bits)).toBe(true);
  const without = await renderObjects(noRun, m, video, tracked, { keepsBits: false });
  expect(without).toEqual(withBits.map(({ bits: _, ...object }) => object));
});

test("a mask of a large picture needs no run of the graph and no bitmap", async () => {
  const video = { width: 11_585, height: 11_585 };
  const maskLogits = Float32Array.from({ length: m * m }, (_, at) => (at % m < m / 2 ? 4 : -4));
  const noRun: RunGraph = () => Promise.reject(new Error("the graph ran"));
  const before = process.memoryUsage().arrayBuffers;
  const [map] = await renderMaps(noRun, m, video, [maskLogits]);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20e6);
  expect(map?.mask).toEqual(renderLarge(maskLogits, m, video).mask);
});
