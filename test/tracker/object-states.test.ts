import { describe, expect, it } from "vitest";
import type { Sight } from "../../tracker/masklet.js";
import { largestPieceShare } from "../../tracker/masks/pieces.js";
import type { ObjectState } from "../../tracker/object-states.js";
import { MAX_OCCLUDED_FRAMES, ownerOf, visibilityOf } from "../../tracker/object-states.js";
import type { PresetName } from "../../tracker/presets.js";
import { type SuspectFacts, suspectReason } from "../../tracker/suspects.js";
import { createBench, createWorld, kinds, SIDE } from "./scripted-world.js";

describe("the visibility of an object", () => {
  it("is occluded for some frames after the last mask in either direction, then lost", () => {
    expect(visibilityOf(true, 5, null)).toBe("present");
    expect(visibilityOf(false, 40, 40 - MAX_OCCLUDED_FRAMES)).toBe("occluded");
    expect(visibilityOf(false, 10, 10 + MAX_OCCLUDED_FRAMES)).toBe("occluded");
    expect(visibilityOf(false, 41, 40 - MAX_OCCLUDED_FRAMES)).toBe("lost");
    expect(visibilityOf(false, 5, null)).toBe("lost");
  });
});

describe("the prompt of an object", () => {
  const points = { points: [[0.5, 0.5] as const], labels: [1 as const] };
  const box = { points: [], labels: [], box: [0, 0, 1, 1] as [number, number, number, number] };
  const mask = { points: [], labels: [], mask: { size: [1, 1] as [number, number], counts: "01" } };

  it("is the nearest one, and the earlier of two at the same distance", () => {
    const masklet = {
      prompts: new Map<number, typeof points | typeof box | typeof mask>([
        [0, points],
        [10, box],
        [30, mask],
      ]),
      conceptKey: null,
      bornFrame: 0,
    };
    const kindOn = (frame: number) => ownerOf(masklet, frame, null).kind;
    expect([0, 5, 6, 20, 21].map(kindOn)).toEqual(["clicks", "clicks", "box", "box", "mask"]);
  });

  it("is the concept on the frames of a detected object that no correction is nearer to", () => {
    const masklet = { prompts: new Map([[10, points]]), conceptKey: 0, bornFrame: 2 };
    expect(ownerOf(masklet, 5, "dog")).toEqual({ kind: "concept", frameIndex: 2, concept: "dog" });
    expect(ownerOf(masklet, 9, "dog")).toEqual({ kind: "clicks", frameIndex: 10 });
  });
});

describe("a mask", () => {
  const sight = (changes: Partial<Sight> = {}): Sight => ({
    frameIndex: 5,
    x: 0.5,
    y: 0.5,
    area: 0.04,
    speed: [0, 0],
    hiddenFrames: 0,
    ...changes,
  });
  const sure: SuspectFacts = {
    score: 0.995,
    sight: sight(),
    before: sight({ frameIndex: 4 }),
    largestPiece: 1,
    overlap: 0,
  };
  const reason = (changes: Partial<SuspectFacts>) => suspectReason({ ...sure, ...changes });

  it("is suspect for its score, shape, motion, overlap, or after an absence", () => {
    expect(suspectReason(sure)).toBeNull();
    expect(reason({ before: null })).toBeNull();
    expect(reason({ score: 0.3 })).toBe("low_score");
    expect(reason({ largestPiece: 0.5 })).toBe("scattered");
    expect(reason({ sight: sight({ area: 0.12 }) })).toBe("area_jump");
    expect(reason({ sight: sight({ area: 0.012 }) })).toBe("area_jump");
    expect(reason({ sight: sight({ x: 0.8 }) })).toBe("position_jump");
    expect(reason({ overlap: 0.8 })).toBe("overlap");
    expect(reason({ before: sight({ frameIndex: 2, hiddenFrames: 2 }) })).toBe("reappeared");
    expect(reason({ before: sight({ frameIndex: -30 }) })).toBeNull();
  });

  it("is not suspect for a motion that goes on", () => {
    const before = sight({ frameIndex: 4, x: 0.3, speed: [0.2, 0] });
    expect(reason({ before })).toBeNull();
  });

  it("has a largest piece, in which pixels touch by sides or corners", () => {
    const of = (rows: string[]) =>
      largestPieceShare(
        Float32Array.from(rows.join(""), (pixel) => (pixel === "#" ? 1 : -1)),
        4,
      );
    expect(of(["#...", ".#..", "....", "...."])).toBe(1);
    expect(of(["##..", "##..", "....", "...#"])).toBe(0.8);
    expect(of(["....", "....", "....", "...."])).toBe(1);
  });
});

describe.each(["compact", "masklet", "transformers"] as const)(
  "states in the output under %s",
  (preset: PresetName) => {
    it("cover objects with and without a mask", async () => {
      const world = createWorld([
        {
          label: 1,
          kind: kinds.ball as number,
          at: (frame) => (frame < 4 || frame > 8 ? [2 + frame, 2, 6, 6] : null),
        },
      ]);
      const bench = createBench(world, { life: { hotstartDelay: 0 } }, undefined, preset);
      const clicked = await bench.tracker.prompt(bench.frame(0), {
        kind: "object",
        points: [[4.5 / SIDE, 4.5 / SIDE]],
        labels: [1],
        clearOldPoints: true,
        clearOldBoxes: true,
      });
      const prompt = { kind: "clicks", frameIndex: 0 };
      expect(clicked.result.states).toEqual([
        { objectId: 0, state: "present", score: 1, prompt, suspect: null },
      ]);
      const shown = await bench.run(0, 10);
      const states = [...shown.values()].map(({ states: found }) => found?.[0] as ObjectState);
      expect(states.map(({ state }) => state)).toEqual([
        ...Array(4).fill("present"),
        ...Array(5).fill("occluded"),
        ...Array(2).fill("present"),
      ]);
      expect(states[0]?.score).toBe(1);
      expect(states[2]?.score).toBeCloseTo(1 / (1 + Math.exp(-5)));
      expect(states[5]?.score).toBeLessThan(0.5);
      expect([states[8]?.suspect, states[9]?.suspect]).toEqual([null, "reappeared"]);
    });

    it("do not report a reappearance at the start of a pass", async () => {
      const world = createWorld([
        { label: 1, kind: kinds.ball as number, at: (frame) => [2 + frame, 2, 6, 6] },
      ]);
      const bench = createBench(world, { life: { hotstartDelay: 0 } }, undefined, preset);
      await bench.tracker.prompt(bench.frame(8), {
        kind: "object",
        points: [[12.5 / SIDE, 4.5 / SIDE]],
        labels: [1],
        clearOldPoints: true,
        clearOldBoxes: true,
      });
      for (const start of [0, 2]) {
        const shown = await bench.run(start, 6);
        for (const { states } of shown.values()) expect(states?.[0]?.suspect).not.toBe("reappeared");
      }
    });
  },
);
