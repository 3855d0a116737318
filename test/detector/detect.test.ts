import { expect, it } from "vitest";
import type { Concept } from "../../detector/concepts.js";
import { detect } from "../../detector/detect.js";
import { float32, floats, int32, type RunGraph } from "../../detector/graph.js";
import { presets } from "../../tracker/presets.js";

const frame = { trunk: float32([1], new Float32Array(1)) };
const m = 4;
const K = 3;

function concept(key: number): Concept {
  return {
    key,
    phrase: `${key}`,
    text: new Float32Array(2),
    textMask: new Int32Array(1),
    exemplars: new Map(),
  };
}

/** A 4 x 4 mask; the rows `inside` are inside. */
function rows(...inside: number[]): number[] {
  return Array.from({ length: m * m }, (_, pixel) => (inside.includes(Math.floor(pixel / m)) ? 3 : -3));
}

it("keeps detections with a sufficient score and at least one pixel, and merges those of one object by several concepts", async () => {
  const found: [score: number, mask: number[]][][] = [
    [
      [0.9, rows(0, 1)],
      [0.8, rows(0, 1, 2)],
      [0.5, rows(3)],
    ],
    [
      [0.95, rows(0, 1)],
      [0.7, rows(3)],
      [0.6, rows()],
    ],
  ];
  const run: RunGraph = async (_, { text }) => {
    expect(text?.dims).toEqual([2, 1, 2]);
    return {
      scores: float32(
        [2, K],
        Float32Array.from(found.flat(), ([score]) => score),
      ),
      masks: float32([2, K, m, m], Float32Array.from(found.flat().flatMap(([, mask]) => mask))),
    };
  };
  const { detections } = await detect(
    run,
    frame,
    [concept(0), concept(1)].map((one) => ({ concept: one, exemplars: [] })),
    { L: 1, D: 2, m },
    {
      scoreThresholdDetection: 0.5,
      detNmsThresh: 0.1,
      nmsCovered: 1,
      sameObjectIou: 0.6,
      keepEmpty: false,
      keepRowOrder: false,
    },
  );
  expect(detections.map(({ score, concepts, extent }) => [score, [...concepts].sort(), extent.box])).toEqual([
    [expect.closeTo(0.95), [0, 1], [0, 0, 1, 0.5]],
    [expect.closeTo(0.7), [1], [0, 0.75, 1, 1]],
  ]);
});

it("keeps the order of the model's queries when keepRowOrder is set", async () => {
  const run: RunGraph = async (_, _inputs, fetch) => ({
    scores: float32([2, 2], Float32Array.of(0.9, 0.8, 0.7, 0.6)),
    masks: float32([2, 2, m, m], Float32Array.from([rows(0), rows(1), rows(2), rows(3)].flat())),
    ...(fetch.includes("query") ? { query: int32([2, 2], Int32Array.of(150, 3, 7, 8)) } : {}),
  });
  const rules = {
    scoreThresholdDetection: 0.5,
    detNmsThresh: 0,
    nmsCovered: 1,
    sameObjectIou: 0,
    keepEmpty: true,
  };
  const scores = async (hasQueries: boolean, keepRowOrder: boolean) => {
    const queries = [concept(0), concept(1)].map((one) => ({ concept: one, exemplars: [] }));
    const sizes = { L: 1, D: 2, m, queries: hasQueries };
    const { detections } = await detect(run, frame, queries, sizes, {
      ...rules,
      keepRowOrder,
    });
    return detections.map(({ score }) => Number(score.toFixed(1)));
  };
  expect(await scores(true, true)).toEqual([0.8, 0.9, 0.7, 0.6]);
  expect(await scores(false, true)).toEqual([0.9, 0.8, 0.7, 0.6]);
});

it.each([
  ["passes the proportions of the frame to the graph", 1.5, [1.5]],
  ["passes none to a graph without such an input", undefined, undefined],
])("%s", async (_, aspect, expected) => {
  const seen: unknown[] = [];
  const run: RunGraph = async (_role, inputs) => {
    seen.push(inputs.aspect && [...floats(inputs, "aspect")]);
    return {
      scores: float32([1, 1], Float32Array.of(0.1)),
      masks: float32([1, 1, m, m], new Float32Array(m * m)),
    };
  };
  const queries = [{ concept: concept(0), exemplars: [] }];
  await detect(run, { ...frame, aspect }, queries, { L: 1, D: 2, m }, presets.sam3.detect);
  expect(seen).toEqual([expected]);
});
