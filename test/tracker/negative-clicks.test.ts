/** Negative clicks alone: they remove from the mask of an object, and never mark one. */
import { describe, expect, it } from "vitest";
import { type Bench, createBench, createWorld, kinds, SIDE } from "./scripted-world.js";

const near = (x: number, y: number) => [(x + 0.5) / SIDE, (y + 0.5) / SIDE] as const;

interface Clicked {
  label?: 0 | 1;
  objectId?: number;
  clearOldPoints?: boolean;
}

function click(bench: Bench, frame: number, point: readonly [number, number], more: Clicked = {}) {
  const { label = 1, objectId, clearOldPoints = true } = more;
  return bench.tracker.prompt(bench.frame(frame), {
    kind: "object",
    ...(objectId === undefined ? {} : { objectId }),
    points: [point],
    labels: [label],
    clearOldPoints,
    clearOldBoxes: true,
  });
}

/** One object that moves to the right. */
const open = (preset: "compact" | "masklet" | "transformers") =>
  createBench(
    createWorld([{ label: 1, kind: kinds.ball as number, at: (frame) => [2 + frame, 2, 6, 6] }]),
    {},
    undefined,
    preset,
  );

describe.each(["compact", "masklet", "transformers"] as const)("negative clicks alone under %s", (preset) => {
  const refused = { code: "invalid_field", field: "point_labels" };

  it("create no object", async () => {
    const bench = open(preset);
    await expect(click(bench, 0, near(4, 4), { label: 0 })).rejects.toMatchObject(refused);
    await expect(click(bench, 0, near(4, 4), { label: 0, objectId: 5 })).rejects.toMatchObject(refused);
    expect(bench.tracker.objectIds()).toEqual([]);
    expect((await click(bench, 0, near(4, 4))).objectId).toBe(0);
  });
});

describe.each(["compact", "masklet"] as const)("negative clicks on an object under %s", (preset) => {
  /** Whether the last call of the decoder refined a mask. */
  const refined = ({ calls }: Bench) =>
    calls.findLast(({ role }) => role === "segment")?.inputs.has_mask?.data[0] === 1;

  it("refine its mask on the frame, also when they replace the earlier clicks", async () => {
    const bench = open(preset);
    await click(bench, 0, near(4, 4));
    await click(bench, 0, near(30, 30), { label: 0, objectId: 0 });
    expect(refined(bench)).toBe(true);
  });

  it("refine the mask that is tracked to a frame that was not visited", async () => {
    const bench = open(preset);
    await click(bench, 0, near(4, 4));
    const { result } = await click(bench, 3, near(30, 30), { label: 0, objectId: 0 });
    expect(bench.labels(3, result)).toEqual({ 0: 1 });
  });
});
