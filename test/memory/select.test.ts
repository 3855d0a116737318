import { describe, expect, it } from "vitest";
import { createMemoryBank, type MemoryEntry, type MemoryKind, type PointerEntry } from "../../memory/bank.js";
import { type BankRules, closestConditioning, selectMemories } from "../../memory/select.js";

const rules: BankRules = {
  maxConditioning: 4,
  recent: 6,
  maxPointers: 16,
  temporalRows: 7,
  conditioningRow: 6,
  pointerTime: "dt/(max-1)",
};

function entry(frameIndex: number, kind: MemoryKind, present = true): MemoryEntry {
  const blank = new Float32Array(1);
  return {
    frameIndex,
    kind,
    memory: blank,
    pointer: Float32Array.of(frameIndex),
    maskLogits: blank,
    score: 1,
    present,
  };
}

function remembered(conditioning: number[], recent: number[], hidden: number[] = []) {
  const entries = recent.map((frame) => entry(frame, "recent", !hidden.includes(frame)));
  const pointers: PointerEntry[] = entries.map(({ frameIndex, pointer }) => ({ frameIndex, pointer }));
  return { conditioning: conditioning.map((frame) => entry(frame, "prompted")), recent: entries, pointers };
}

type Bank = ReturnType<typeof remembered>;

function select(bank: Bank, frame: number, reverse = false, seenWithin: number | null = null, with_ = rules) {
  const { memories, pointers } = selectMemories(bank, frame, reverse, with_, {
    seenWithin,
    mfThreshold: null,
    conditioningPointers: "selected",
    conditioningTies: "earlier",
    numFrames: null,
  });
  return {
    rows: memories.map(({ entry: { frameIndex }, row }) => [frameIndex, row]),
    dts: pointers.map(({ pointer, dt }) => [pointer[0], Math.round(dt * 15 * 1000) / 1000]),
  };
}

describe("selecting memories", () => {
  it("assigns the last temporal row to conditioning frames, and row k-1 to the k-th previous frame", () => {
    const { rows, dts } = select(remembered([0], [1, 2, 3, 4, 5, 6, 7, 8]), 9);
    expect(rows).toEqual([
      [0, 6],
      [8, 0],
      [7, 1],
      [6, 2],
      [5, 3],
      [4, 4],
      [3, 5],
    ]);
    expect(dts).toEqual([
      [0, 9],
      [1, 8],
      [2, 7],
      [3, 6],
      [4, 5],
      [5, 4],
      [6, 3],
      [7, 2],
      [8, 1],
    ]);
  });

  it("measures distances in the direction of travel in a backward pass", () => {
    const { rows, dts } = select(remembered([20], [17, 18, 19]), 16, true);
    expect(rows).toEqual([
      [20, 6],
      [17, 0],
      [18, 1],
      [19, 2],
    ]);
    expect(dts).toEqual([
      [20, 4],
      [17, 1],
      [18, 2],
      [19, 3],
    ]);
  });

  it("selects later conditioning frames, but not their pointers", () => {
    const { rows, dts } = select(remembered([40], [41]), 30);
    expect([rows, dts]).toEqual([[[40, 6]], []]);
  });

  it("uses the closest conditioning frames; the others may serve as recent frames", () => {
    const { rows, dts } = select(remembered([10, 17, 18, 19, 21], []), 20, false, null, {
      ...rules,
      maxConditioning: 2,
    });
    expect(rows).toEqual([
      [19, 6],
      [21, 6],
      [18, 1],
      [17, 2],
    ]);
    expect(dts.map(([frame]) => frame).sort()).toEqual([10, 17, 18, 19]);
  });

  it("never conditions a frame with itself", () => {
    expect(select(remembered([5], [4, 6]), 5).rows).toEqual([[4, 0]]);
  });

  it("leaves gaps at frames without a memory, unless it selects visible frames only", () => {
    const bank = remembered([0], [10, 11, 14], [14]);
    expect(select(bank, 16).rows).toEqual([
      [0, 6],
      [14, 1],
      [11, 4],
      [10, 5],
    ]);
    expect(select(bank, 16, false, 30).rows).toEqual([
      [0, 6],
      [11, 0],
      [10, 1],
    ]);
    expect(select(bank, 16, false, 5).rows).toEqual([
      [0, 6],
      [11, 0],
    ]);
  });

  it("selects pointers within the window, and none when the pack has none", () => {
    const bank = remembered([0], [80, 84, 85, 99]);
    expect(select(bank, 100).dts).toEqual([
      [0, 100],
      [85, 15],
      [99, 1],
    ]);
    expect(select(bank, 100, false, null, { ...rules, maxPointers: 0 }).dts).toEqual([]);
    expect(select(bank, 100, false, null, { ...rules, pointerTime: "none" }).dts).toEqual([
      [0, 0],
      [85, 0],
      [99, 0],
    ]);
  });
});

describe("the closest conditioning frames", () => {
  const pick = (frame: number, frames: number[], limit: number) =>
    closestConditioning(
      frames.map((frameIndex) => ({ frameIndex })),
      frame,
      limit,
    ).map(({ frameIndex }) => frameIndex);

  it("are the nearest one before the frame, the nearest one from the frame on, then the others by distance", () => {
    expect(pick(20, [0, 5, 16, 20, 32, 48], 4)).toEqual([16, 20, 32, 5]);
    expect(pick(100, [0, 16, 32, 48, 64, 80, 96], 4)).toEqual([96, 80, 64, 48]);
  });

  it("are all conditioning frames without a limit, or within the limit", () => {
    expect(pick(3, [9, 1], 2)).toEqual([9, 1]);
    expect(pick(3, [9, 1, 5], -1)).toEqual([9, 1, 5]);
  });
});

describe("options of SAM 3 and its port", () => {
  const options = {
    seenWithin: null,
    mfThreshold: null,
    conditioningTies: "earlier",
    numFrames: null,
  } as const;

  it("uses the pointers of all past conditioning frames, or of the selected ones", () => {
    const bank = remembered([0, 10, 20, 30, 40, 50], [51, 52]);
    const pointers = (conditioningPointers: "selected" | "past") =>
      selectMemories(bank, 53, false, rules, { ...options, conditioningPointers }).pointers.map(
        (one) => one.pointer[0],
      );
    expect(pointers("past").sort()).toEqual([0, 10, 20, 30, 40, 50, 51, 52]);
    expect(pointers("selected").sort()).toEqual([20, 30, 40, 50, 51, 52]);
  });

  it("measures pointers against the window that fits the video", () => {
    const dts = (numFrames: number | null) =>
      selectMemories(remembered([0], [1, 2, 3]), 4, false, rules, {
        ...options,
        conditioningPointers: "selected",
        numFrames,
      }).pointers.map(({ dt }) => Number(dt.toFixed(3)));
    expect(dts(null)).toEqual([0.267, 0.2, 0.133, 0.067]);
    expect(dts(4)).toEqual([1.333, 1, 0.667, 0.333]);
    // A window of three frames reaches two frames back.
    expect(dts(3)).toEqual([2, 1, 0.5]);
  });

  it("breaks ties by the order in which frames were added, or by time", () => {
    const entries = [11, 10, 6, 7, 3, 5].map((frameIndex) => ({ frameIndex }));
    const chosen = (ties: "added" | "earlier") =>
      closestConditioning(entries, 8, 4, ties).map(({ frameIndex }) => frameIndex);
    expect([chosen("added"), chosen("earlier")]).toEqual([
      [7, 10, 6, 11],
      [7, 10, 6, 5],
    ]);
  });
});

describe("a bank that demotes and promotes", () => {
  const limits = { recent: 6, pointers: 15, conditioning: 8, reconditioned: 3 };

  it("turns a tracked frame into a conditioning one and back, without a score", () => {
    const bank = createMemoryBank(limits);
    bank.add(entry(0, "born"));
    bank.add({ ...entry(4, "recent"), trackScore: 0.9 });
    bank.promote(4, "reconditioned");
    expect([
      bank.conditioning.map(({ frameIndex }) => frameIndex),
      bank.recent.length,
      bank.pointers.length,
    ]).toEqual([[0, 4], 0, 0]);
    bank.demote(4);
    expect([bank.conditioning.length, bank.recent[0]?.kind, bank.recent[0]?.trackScore]).toEqual([
      1,
      "recent",
      undefined,
    ]);
  });

  it("keeps demoted frames as tracked ones, but never demotes the last memory", () => {
    const bank = createMemoryBank(limits);
    bank.add(entry(0, "born"));
    expect(bank.demoteAround(3, 16, false)).toEqual([]);
    bank.add(entry(10, "prompted"));
    expect(bank.demoteAround(10, 16, false)).toEqual([0]);
    expect([bank.conditioning.map(({ frameIndex }) => frameIndex), bank.at(0)?.kind]).toEqual([
      [10],
      "recent",
    ]);
  });

  it("drops frames with a low score except the newest ones, and keeps the windows around prompts and first detections", () => {
    const bank = createMemoryBank({ ...limits, recent: 3, minScore: 0.01, aroundGiven: true });
    bank.add(entry(10, "born"));
    for (let frame = 11; frame <= 30; frame++)
      bank.add({ ...entry(frame, "recent"), trackScore: frame % 2 ? 0.5 : 0 });
    expect(bank.recent.map(({ frameIndex }) => frameIndex)).toEqual([11, 13, 27, 29, 30]);
  });

  it("clears the masks around a frame, but not those of prompts", () => {
    const bank = createMemoryBank(limits);
    bank.add(entry(5, "prompted"));
    bank.add(entry(6, "recent"));
    bank.add(entry(20, "recent"));
    bank.clearMasksAround(7, 7);
    expect([5, 6, 20].map((frame) => bank.at(frame)?.maskCleared)).toEqual([undefined, true, undefined]);
  });
});
