import { describe, expect, it } from "vitest";
import { extendsPrompt, mergePrompts, toPointPrompt } from "../../tracker/click-prompt.js";
import type { PromptState } from "../../tracker/masklet.js";

const click = (x: number, y: number, label: 0 | 1 = 1): PromptState => ({
  points: [[x, y]],
  labels: [label],
});
const box = [0.2, 0.2, 0.4, 0.6] as const;
const replaced = { clearOldPoints: true, clearOldBoxes: true };
const added = { ...replaced, clearOldPoints: false };

describe("prompts on an object on one frame", () => {
  it("are merged, or replaced on request", () => {
    const old = { ...click(0.1, 0.1), box };
    expect(mergePrompts(old, click(0.5, 0.5, 0), added)).toEqual({
      points: [
        [0.1, 0.1],
        [0.5, 0.5],
      ],
      labels: [1, 0],
      box,
    });
    expect(mergePrompts(old, click(0.5, 0.5), replaced)).toEqual(click(0.5, 0.5));
    const boxStays = mergePrompts(old, click(0.5, 0.5), { ...replaced, clearOldBoxes: false });
    expect(boxStays).toEqual({ ...click(0.5, 0.5), box });
  });

  it("become box corners, then clicks", () => {
    const { points, labels } = toPointPrompt({ ...click(0.5, 0.5, 0), box }, 16);
    expect(labels).toEqual([2, 3, 0]);
    expect(points[0]).toEqual([0.2, 0.2]);
    expect(points[1]?.[0]).toBeCloseTo(0.6);
    expect(points[1]?.[1]).toBeCloseTo(0.8);
    expect(points[2]).toEqual([0.5, 0.5]);
  });

  it("are reduced to the first and the last half of the clicks that the model accepts", () => {
    const many = {
      points: Array.from({ length: 9 }, (_, i) => [i / 10, 0] as const),
      labels: new Array(9).fill(1),
    };
    expect(toPointPrompt(many, 4).points.map(([x]) => x)).toEqual([0, 0.1, 0.7, 0.8]);
  });

  it("are stored with a bounded number of clicks, the first and the last half", () => {
    let merged = click(0, 0);
    for (let index = 1; index < 1100; index++) merged = mergePrompts(merged, click(index / 1100, 0), added);
    expect([merged.points.length, merged.labels.length]).toEqual([1024, 1024]);
    expect([merged.points[511], merged.points.at(-1)]).toEqual([
      [511 / 1100, 0],
      [1099 / 1100, 0],
    ]);
  });

  it("contain an earlier prompt when they have all its clicks and no other box", () => {
    const both = mergePrompts(click(0.1, 0.1), click(0.5, 0.5), added);
    expect(extendsPrompt(click(0.1, 0.1), both)).toBe(true);
    expect(extendsPrompt(click(0.1, 0.1), click(0.5, 0.5))).toBe(false);
    expect(extendsPrompt(click(0.1, 0.1), click(0.1, 0.1, 0))).toBe(false);
    expect(extendsPrompt({ points: [], labels: [], box }, click(0.5, 0.5))).toBe(true);
    expect(extendsPrompt(click(0.1, 0.1), { ...click(0.1, 0.1), box })).toBe(false);
  });
});
