import { describe, expect, it } from "vitest";
import type { PolicyOverrides } from "../../tracker/policy.js";
import { createBench, createWorld, kinds } from "./scripted-world.js";

/** The reported probability of a ball on each of three frames with different detection scores. */
async function probabilities(policy: PolicyOverrides) {
  const world = createWorld([{ label: 1, kind: kinds.ball as number, at: () => [2, 2, 6, 6] }]);
  const bench = createBench(world, policy);
  world.scores = new Map([[1, 0.6]]);
  await bench.tracker.prompt(bench.frame(0), { kind: "concept", text: "ball", replace: false });
  bench.tracker.beginPropagation(false);
  const shown: (number | undefined)[] = [];
  for (const [frame, score] of [0.6, 0.9, 0.7].entries()) {
    world.scores = new Map([[1, score]]);
    shown.push((await bench.tracker.step(bench.frame(frame))).objects[0]?.prob);
  }
  return shown.map((prob) => Number(prob?.toFixed(2)));
}

describe("the probability of a detected object", () => {
  it("is the score of its best detection so far, for objects that enter the frame slowly", async () => {
    expect(await probabilities({})).toEqual([0.6, 0.9, 0.9]);
  });

  it("can be the score of its first detection, as in SAM 3", async () => {
    expect(await probabilities({ life: { probability: "birth" } })).toEqual([0.6, 0.6, 0.6]);
  });
});
