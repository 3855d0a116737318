import { describe, expect, it } from "vitest";
import type { BankSnapshot, MemoryEntry, MemoryKind } from "../../memory/bank.js";
import { divideContent, joinContents, uniteContents } from "../../memory/exchange.js";

function entry(frameIndex: number, kind: MemoryKind): MemoryEntry {
  const blank = new Float32Array(1);
  return { frameIndex, kind, memory: blank, pointer: blank, maskLogits: blank, score: 1, present: true };
}

function content(conditioning: readonly number[], recent: readonly number[]): BankSnapshot {
  return {
    conditioning: conditioning.map((frame) => entry(frame, "prompted")),
    recent: recent.map((frame) => entry(frame, "recent")),
    pointers: recent.map((frame) => entry(frame, "recent")),
  };
}

const framesOf = ({ conditioning, recent, pointers }: BankSnapshot) =>
  [conditioning, recent, pointers].map((entries) => entries.map(({ frameIndex }) => frameIndex));

describe("the content of memory banks", () => {
  it("is united without the tracked frames of which both have a memory", () => {
    const [a, b] = [content([0], [4, 5, 6]), content([5, 9], [6, 7])];
    expect(framesOf(uniteContents(a, b))).toEqual([
      [0, 5, 9],
      [4, 7],
      [4, 7],
    ]);
  });

  it("keeps the conditioning memory of the first bank where both have one", () => {
    const [a, b] = [content([3], []), content([3], [])];
    expect(uniteContents(a, b).conditioning).toEqual(a.conditioning);
    expect(uniteContents(a, b).conditioning[0]).toBe(a.conditioning[0]);
  });

  it("is divided at a frame, which belongs to the second part", () => {
    const whole = content([0, 5, 9], [4, 5, 6]);
    const { before, after } = divideContent(whole, 5);
    expect(framesOf(before)).toEqual([[0], [4], [4]]);
    expect(framesOf(after)).toEqual([
      [5, 9],
      [5, 6],
      [5, 6],
    ]);
    expect(framesOf(joinContents(before, after))).toEqual(framesOf(whole));
  });
});
