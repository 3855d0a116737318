import { expect, test } from "vitest";
import { float32 } from "../../detector/graph.js";
import { semanticLogits } from "../../detector/semantic.js";

const sigmoid = (logit: number) => 1 / (1 + Math.exp(-logit));

/** Two instances on 2×2 pixels, with scores of 0.9 and 0.3. */
const outputs = {
  scores: float32([1, 3], Float32Array.of(0.9, 0.3, 0)),
  masks: float32([1, 3, 2, 2], Float32Array.of(5, 1, -1, -9, -9, 4, 3, -9, 9, 9, 9, 9)),
};

test("the probability of a pixel is the largest over the instances of the smaller of score and mask probability", () => {
  const map = [...semanticLogits(outputs, 2)].map(sigmoid);
  expect(map[0]).toBeCloseTo(0.9, 5); // the score is the smaller one
  expect(map[1]).toBeCloseTo(sigmoid(1), 5); // the mask probability is the smaller one
  expect(map[2]).toBeCloseTo(0.3, 5); // only the second mask contains it
  expect(map[3]).toBeLessThan(0.001);
});

test("the map cut at a probability is the union of the instances with at least this score", () => {
  const map = semanticLogits(outputs, 2);
  expect([...map].map((logit) => logit > 0)).toEqual([true, true, false, false]);
  expect([...map].map((logit) => sigmoid(logit) > 0.25)).toEqual([true, true, true, false]);
});

test("the map is finite for scores of exactly 0 and 1", () => {
  const certain = { ...outputs, scores: float32([1, 3], Float32Array.of(1, 0, 0)) };
  expect([...semanticLogits(certain, 2)]).toEqual([5, 1, -1, -9]);
  const nothing = { ...outputs, scores: float32([1, 3], new Float32Array(3)) };
  expect([...semanticLogits(nothing, 2)]).toEqual([-32, -32, -32, -32]);
});
