import { describe, expect, it } from "vitest";
import { encodeMask } from "../../protocol/rle.js";
import type { PresetName } from "../../tracker/presets.js";
import { createBench, createWorld, kinds, SIDE } from "./scripted-world.js";

const capabilities = { text: true, exemplars: true, points: true, maskSeed: true };

const ball = (label: number, y: number) => ({
  label,
  kind: kinds.ball as number,
  at: (frame: number) => [2 + frame, y, 6, 6] as const,
});

/** The mask of the upper ball on a frame. */
function maskOn(frame: number) {
  const bits = new Uint8Array(SIDE * SIDE);
  for (let y = 4; y < 10; y++) bits.fill(1, y * SIDE + 2 + frame, y * SIDE + 8 + frame);
  return encodeMask(bits, SIDE, SIDE);
}

async function trackedBench(preset: PresetName, frames = 20) {
  const bench = createBench(createWorld([ball(1, 4)]), {}, capabilities, preset);
  await bench.tracker.prompt(bench.frame(0), {
    kind: "object",
    objectId: 5,
    points: [[5 / SIDE, 7 / SIDE]],
    labels: [1],
    clearOldPoints: true,
    clearOldBoxes: true,
  });
  await bench.run(0, frames - 1);
  return bench;
}

describe("the masks that a pass needs from earlier ones", () => {
  it("are the nearest ones to a start far from the last tracked frames", async () => {
    const { tracker } = await trackedBench("compact");
    const need = { masksPerObject: 6, maxDistance: 30 };
    expect(tracker.recallNeed({ firstFrame: 10, reverse: false }, null)).toEqual({
      ...need,
      objects: [{ objectId: 5, known: [0] }],
    });
    const backward = tracker.recallNeed({ firstFrame: 12, reverse: true }, null);
    expect(backward).toEqual({ ...need, objects: [{ objectId: 5, known: [14, 15, 16, 17, 18, 19] }] });
  });

  it("are none where the last pass ended, on a prompted frame and next to one", async () => {
    const { tracker } = await trackedBench("compact");
    for (const firstFrame of [20, 0, 1])
      expect(tracker.recallNeed({ firstFrame, reverse: false }, null)).toBeUndefined();
  });

  it("are none for other objects than those of the pass", async () => {
    const { tracker } = await trackedBench("compact");
    expect(tracker.recallNeed({ firstFrame: 10, reverse: false }, new Set([6]))).toBeUndefined();
  });

  it.each(["sam3", "sam3-ablation", "transformers"] as const)(
    "are none under %s, which keeps all memories",
    async (preset) => {
      const bench = createBench(createWorld([ball(1, 4)]), {}, capabilities, preset);
      await bench.tracker.prompt(bench.frame(0), { kind: "concept", text: "ball", replace: false });
      await bench.run(0, 15);
      expect(bench.tracker.recallNeed({ firstFrame: 8, reverse: false }, null)).toBeUndefined();
    },
  );
});

describe("recalled masks", () => {
  it("are the memories and the motion from which the pass tracks", async () => {
    const { tracker, frame, labels } = await trackedBench("compact");
    tracker.beginPropagation(false);
    for (const index of [4, 5, 6, 7, 8, 9])
      await tracker.recall(frame(index), [{ objectId: 5, mask: maskOn(index) }]);
    const [object] = tracker.snapshot().registry.masklets;
    expect(object?.bank.recent.map(({ frameIndex }) => frameIndex)).toEqual([4, 5, 6, 7, 8, 9]);
    expect(labels(10, await tracker.step(frame(10)))).toEqual({ 5: 1 });
    const motion = tracker.snapshot().registry.masklets[0]?.motion;
    // One pixel per frame.
    expect((motion?.velocity[0] ?? 0) * SIDE).toBeCloseTo(1, 0);
  });

  it("of unknown objects and known frames are ignored without running the model", async () => {
    const { tracker, frame, calls } = await trackedBench("compact");
    tracker.beginPropagation(false);
    const before = calls.length;
    await tracker.recall(frame(19), [{ objectId: 5, mask: maskOn(19) }]);
    await tracker.recall(frame(9), [{ objectId: 6, mask: maskOn(9) }]);
    expect(calls.length).toBe(before);
  });
});
