/** Phrases whose instances are not objects, on a tracker over the scripted world. */
import { describe, expect, it } from "vitest";
import type { PresetName } from "../../tracker/presets.js";
import { type Bench, createBench, createWorld, type Instance, kinds } from "./scripted-world.js";

const mover = (label: number, kind: string, y: number, from = 0): Instance => ({
  label,
  kind: kinds[kind] as number,
  at: (frame) => (frame < from ? null : [2 + frame, y, 6, 6]),
});

/** `ball` and `marble` find the same instances; the score of a marble is lower. */
const instances = [mover(1, "ball", 4), mover(2, "box", 24), mover(3, "ball", 14, 4)];

const prompt = (bench: Bench, index: number, text: string, negative = false) =>
  bench.tracker.prompt(bench.frame(index), { kind: "concept", text, negative, replace: false });

/** Labels of the instances that are shown on the last frame. */
async function labelsAfter(bench: Bench, last: number): Promise<number[]> {
  const shown = await bench.run(0, last);
  return Object.values(
    bench.labels(last, shown.get(last) ?? { objects: [], stats: { tracked: 0, dropped: 0 } }),
  );
}

describe.each<PresetName>(["compact", "masklet"])("a negative phrase under the preset %s", (preset) => {
  const open = () => createBench(createWorld(instances), {}, undefined, preset);

  it("creates no object, and is listed apart", async () => {
    const bench = open();
    const { result } = await prompt(bench, 0, "box", true);
    expect(result.objects).toEqual([]);
    expect([bench.tracker.concepts(), bench.tracker.negativeConcepts()]).toEqual([[], ["box"]]);
    expect(bench.calls.filter(({ role }) => role === "detect")).toHaveLength(1);
    await bench.run(0, 3);
    // A session with negative phrases only has nothing to detect.
    expect(bench.calls.filter(({ role }) => role === "detect")).toHaveLength(1);
  });

  it("does not affect objects of other instances", async () => {
    const bench = open();
    await prompt(bench, 0, "ball");
    await prompt(bench, 0, "box", true);
    expect(await labelsAfter(bench, 8)).toEqual([1, 3]);
  });

  it("deletes objects on the prompted frame, and drops later detections with a lower score", async () => {
    const bench = open();
    await prompt(bench, 0, "marble");
    await prompt(bench, 0, "box");
    const { result } = await prompt(bench, 0, "ball", true);
    expect(Object.values(bench.labels(0, result))).toEqual([2]);
    // Instance 3 appears on frame 4.
    expect(await labelsAfter(bench, 8)).toEqual([2]);
  });

  it("keeps detections with a higher score", async () => {
    const bench = open();
    await prompt(bench, 0, "ball");
    await prompt(bench, 0, "marble", true);
    expect(await labelsAfter(bench, 8)).toEqual([1, 3]);
  });

  it("keeps the objects that the user clicked", async () => {
    const bench = open();
    const click = { kind: "object", points: [[5 / 40, 7 / 40]], labels: [1] } as const;
    await bench.tracker.prompt(bench.frame(0), { ...click, clearOldPoints: true, clearOldBoxes: true });
    await prompt(bench, 0, "ball", true);
    expect(await labelsAfter(bench, 3)).toEqual([1]);
  });

  it("turns a phrase around: its objects are deleted, and found again when it is positive", async () => {
    const bench = open();
    await prompt(bench, 0, "ball");
    await prompt(bench, 0, "box");
    await prompt(bench, 0, "ball", true);
    expect(await labelsAfter(bench, 3)).toEqual([2]);
    await prompt(bench, 3, "ball");
    expect((await labelsAfter(bench, 3)).sort()).toEqual([1, 2]);
  });
});
