import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createMemoryBank, type MemoryEntry, type MemoryKind, nearestEntry } from "../../memory/bank.js";

const limits = { recent: 3, pointers: 5, conditioning: 4, reconditioned: 2 };

function entry(frameIndex: number, kind: MemoryKind): MemoryEntry {
  const blank = new Float32Array(1);
  return { frameIndex, kind, memory: blank, pointer: blank, maskLogits: blank, score: 1, present: true };
}

function frames(entries: readonly { frameIndex: number }[]): number[] {
  return entries.map(({ frameIndex }) => frameIndex).sort((a, b) => a - b);
}

describe("a memory bank", () => {
  it("keeps the recent frames nearest to the one remembered last, in either direction", () => {
    const bank = createMemoryBank(limits);
    bank.add(entry(0, "prompted"));
    for (let frame = 1; frame <= 10; frame++) bank.add(entry(frame, "recent"));
    expect([frames(bank.recent), frames(bank.pointers)]).toEqual([
      [8, 9, 10],
      [6, 7, 8, 9, 10],
    ]);
    for (let frame = 5; frame >= 2; frame--) bank.add(entry(frame, "recent"));
    expect(frames(bank.recent)).toEqual([2, 3, 4]);
  });

  it("never drops a conditioning memory because of tracked frames", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(200), { maxLength: 60 }), (visited) => {
        const bank = createMemoryBank(limits);
        bank.add(entry(1000, "prompted"));
        bank.add(entry(1001, "born"));
        for (const frame of visited) bank.add(entry(frame, "recent"));
        expect(frames(bank.conditioning)).toEqual([1000, 1001]);
        expect(bank.recent.length).toBeLessThanOrEqual(limits.recent);
        expect(bank.pointers.length).toBeLessThanOrEqual(limits.pointers);
      }),
    );
  });

  it("contains a bounded number of memories after ten thousand frames", () => {
    const bank = createMemoryBank(limits);
    bank.add(entry(0, "born"));
    for (let frame = 1; frame <= 10_000; frame++)
      bank.add(entry(frame, frame % 16 === 0 ? "reconditioned" : "recent"));
    expect([frames(bank.conditioning), frames(bank.recent), frames(bank.pointers)]).toEqual([
      [0, 9984, 10_000],
      [9997, 9998, 9999],
      [9995, 9996, 9997, 9998, 9999],
    ]);
  });

  it("keeps one memory per frame: the newest", () => {
    const bank = createMemoryBank(limits);
    bank.add(entry(0, "prompted"));
    bank.add(entry(5, "recent"));
    bank.add(entry(5, "prompted"));
    expect([frames(bank.conditioning), frames(bank.recent), frames(bank.pointers)]).toEqual([[0, 5], [], []]);
    bank.add(entry(5, "recent"));
    expect([frames(bank.conditioning), frames(bank.recent)]).toEqual([[0], [5]]);
  });

  it("drops corrections by the detector first and keeps the first memory", () => {
    const bank = createMemoryBank(limits);
    bank.add(entry(0, "born"));
    for (const frame of [16, 32, 48]) bank.add(entry(frame, "reconditioned"));
    expect(frames(bank.conditioning)).toEqual([0, 32, 48]);
    for (const frame of [50, 51, 52, 53]) bank.add(entry(frame, "prompted"));
    expect(frames(bank.conditioning)).toEqual([0, 51, 52, 53]);
  });

  it("drops tracked frames and memories from detections around a click", () => {
    const bank = createMemoryBank(limits);
    bank.add(entry(0, "born"));
    bank.add(entry(20, "reconditioned"));
    bank.add(entry(23, "prompted"));
    for (const frame of [10, 21, 22]) bank.add(entry(frame, "recent"));
    bank.clearAround(23, 7);
    bank.demoteAround(23, 16, true);
    expect([frames(bank.recent), frames(bank.pointers), frames(bank.conditioning)]).toEqual([
      [10],
      [10],
      [0, 23],
    ]);
  });

  it("never demotes its last conditioning memory", () => {
    const bank = createMemoryBank(limits);
    bank.add(entry(3, "born"));
    bank.demoteAround(4, 16, true);
    expect(frames(bank.conditioning)).toEqual([3]);
  });

  it("condenses to the prompted memories, or to the first one", () => {
    const born = createMemoryBank(limits);
    born.add(entry(0, "born"));
    born.add(entry(16, "reconditioned"));
    born.add(entry(17, "recent"));
    born.condense();
    expect([frames(born.conditioning), born.recent.length, born.pointers.length]).toEqual([[0], 0, 0]);
    const prompted = createMemoryBank(limits);
    prompted.add(entry(0, "born"));
    prompted.add(entry(5, "prompted"));
    prompted.condense();
    expect(frames(prompted.conditioning)).toEqual([5]);
  });

  it("replaces an amended memory without changing snapshots", () => {
    const bank = createMemoryBank(limits);
    bank.add(entry(0, "prompted"));
    bank.add(entry(1, "recent"));
    const before = bank.snapshot();
    const copy = structuredClone(before);
    expect(bank.amend(1, { score: 9 })).toBe(bank.at(1));
    bank.promote(1, "reconditioned");
    bank.amend(0, { kind: "reconditioned" });
    expect([bank.at(1)?.score, bank.at(0)?.kind]).toEqual([9, "reconditioned"]);
    expect(before).toEqual(copy);
    expect(() => bank.amend(7, { score: 1 })).toThrow("the bank has no memory of frame 7");
  });

  it("continues from a snapshot", () => {
    const bank = createMemoryBank(limits);
    bank.add(entry(0, "prompted"));
    for (let frame = 1; frame <= 5; frame++) bank.add(entry(frame, "recent"));
    const restored = createMemoryBank(limits, structuredClone(bank.snapshot()));
    for (const each of [bank, restored]) each.add(entry(6, "recent"));
    expect(restored.snapshot()).toEqual(bank.snapshot());
  });

  it("does not keep a correction when it is full of prompted memories", () => {
    const bank = createMemoryBank(limits);
    for (let frame = 0; frame < limits.conditioning; frame++) bank.add(entry(frame, "prompted"));
    bank.add(entry(9, "recent"));
    bank.promote(9, "reconditioned");
    expect([bank.at(9), frames(bank.conditioning)]).toEqual([undefined, [0, 1, 2, 3]]);
  });

  it("finds the memory of a frame and the one nearest to it", () => {
    const bank = createMemoryBank(limits);
    bank.add(entry(0, "prompted"));
    bank.add(entry(10, "recent"));
    expect(bank.at(10)?.kind).toBe("recent");
    expect(bank.at(4)).toBeUndefined();
    expect([4, 5, 6].map((frame) => nearestEntry(bank, frame)?.frameIndex)).toEqual([0, 0, 10]);
  });
});
