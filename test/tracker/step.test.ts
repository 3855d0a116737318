/** The order of the stages of a step, observed by the graphs that they run, for each rule set. */
import { describe, expect, it } from "vitest";
import type { PresetName } from "../../tracker/presets.js";
import { type Bench, createBench, createWorld, type Instance, kinds } from "./scripted-world.js";

const ball = (label: number, top: number, firstFrame: number): Instance => ({
  label,
  kind: kinds.ball as number,
  at: (frame) => (frame >= firstFrame ? [4, top, 8, 8] : null),
});

/** A ball that is prompted on frame 0, and a second ball that appears on frame 3. */
async function openBench(preset: PresetName): Promise<Bench> {
  const bench = createBench(createWorld([ball(1, 4, 0), ball(2, 24, 3)]), {}, undefined, preset);
  await bench.tracker.prompt(bench.frame(0), { kind: "concept", text: "ball", replace: false });
  await bench.run(0, 2);
  return bench;
}

/** Runs one frame and returns the graphs of its stages, each with the number of objects in the call. */
async function stagesOf(bench: Bench, frame: number, objectIds: ReadonlySet<number> | null = null) {
  bench.calls.length = 0;
  const { objects } = await bench.tracker.step(bench.frame(frame), objectIds);
  const sized = { track: "memory", remember: "mask", seed: "mask", segment: "points" } as const;
  const stages = bench.calls.map(({ role, inputs }) =>
    role in sized ? `${role} ${inputs[sized[role as keyof typeof sized]]?.dims[0]}` : role,
  );
  return { stages, ids: objects.map(({ objectId }) => objectId) };
}

describe("a step", () => {
  it.each(["sam3", "compact"] as const)("tracks before it detects and remembers last: %s", async (preset) => {
    const bench = await openBench(preset);
    bench.tracker.beginPropagation(false);
    const { stages, ids } = await stagesOf(bench, 2);
    expect(stages.slice(-3)).toEqual(["track 1", "detect", "remember 1"]);
    expect(ids).toEqual([0]);
  });

  it("starts new objects after it has remembered the tracked ones, by SAM 3's rules", async () => {
    const bench = await openBench("sam3");
    const { stages, ids } = await stagesOf(bench, 3);
    expect(stages).toEqual(["encode", "track 1", "detect", "remember 1", "seed 1", "remember 1"]);
    expect(ids).toEqual([0, 1]);
  });

  it("remembers tracked and new objects in one call, by the motion-based rules", async () => {
    const bench = await openBench("compact");
    const { stages } = await stagesOf(bench, 3);
    expect(stages).toEqual(["encode", "track 1", "detect", "segment 1", "seed 1", "remember 2"]);
    expect(bench.tracker.objectIds()).toEqual([0, 1]);
  });

  it.each(["sam3", "compact"] as const)("tracks selected objects without detection: %s", async (preset) => {
    const bench = await openBench(preset);
    const { stages, ids } = await stagesOf(bench, 3, new Set([0]));
    expect(stages).toEqual(["encode", "track 1", "remember 1"]);
    expect(bench.calls[0]?.fetch).not.toContain("trunk");
    expect(ids).toEqual([0]);
    expect(bench.tracker.objectIds()).toEqual([0]);
  });

  it("prepares the detection features only for frames with detection", async () => {
    const bench = await openBench("sam3");
    bench.calls.length = 0;
    bench.tracker.prepare(bench.frame(3));
    bench.tracker.prepare(bench.frame(4), new Set([0]));
    expect(bench.calls.map(({ role, fetch }) => [role, fetch.includes("trunk")])).toEqual([
      ["encode", true],
      ["encode", false],
    ]);
    await bench.tracker.step(bench.frame(3));
    await bench.tracker.step(bench.frame(4), new Set([0]));
    expect(bench.calls.filter(({ role }) => role === "encode")).toHaveLength(2);
  });
});
