import { describe, expect, it } from "vitest";
import { maskBits, maskExtent } from "../../../detector/mask-bits.js";
import {
  associate,
  CONTEST_FRAMES,
  type DetectionView,
  RELINK_FRAMES,
  type TrackView,
} from "../../../tracker/motion/association.js";
import { measure, startMotion } from "../../../tracker/motion/motion-model.js";
import { presets } from "../../../tracker/presets.js";

const SIDE = 40;
const rules = {
  assocIouThresh: presets.compact.associate.assocIouThresh,
  sameObjectIou: presets.compact.detect.sameObjectIou,
};
const FRAME = 10;

/** A square of `size` pixels around a point. */
function square(x: number, y: number, size = 8): Float32Array {
  const mask = new Float32Array(SIDE * SIDE).fill(-1);
  for (let dy = 0; dy < size; dy++) {
    for (let dx = 0; dx < size; dx++) mask[(y - size / 2 + dy) * SIDE + (x - size / 2 + dx)] = 1;
  }
  return mask;
}

const nothing = new Float32Array(SIDE * SIDE).fill(-1);

function extentOf(mask: Float32Array) {
  return maskExtent(mask, SIDE) ?? expect.fail("an empty mask has no extent");
}

/** An object of concept 0 that stood still at a point until `seen`, and whose tracked mask is now `mask`. */
function track(
  x: number,
  y: number,
  mask: Float32Array,
  seen = FRAME - 1,
  concept: number | null = 0,
): TrackView {
  let motion = startMotion(extentOf(square(x, y)), seen - 3);
  for (const frame of [seen - 2, seen - 1, seen]) {
    motion = measure(motion, extentOf(square(x, y)), frame, "whole");
  }
  return { conceptKey: concept, bits: maskBits(mask), motion, lost: seen < FRAME - 1 };
}

function detectionOf(mask: Float32Array, concept = 0, claimed = false): DetectionView {
  return { concepts: new Set([concept]), bits: maskBits(mask), extent: extentOf(mask), claimed };
}

function pairs(tracks: TrackView[], detections: DetectionView[]) {
  const { matches, unmatched } = associate(tracks, detections, FRAME, rules);
  return { pairs: matches.map(({ track, detection }) => [track, detection]).sort(), unmatched };
}

describe("association", () => {
  it("associates by overlap and returns the other detections as unmatched", () => {
    const left = square(10, 10);
    const right = square(30, 10);
    expect(
      pairs([track(10, 10, left), track(30, 10, right)], [detectionOf(right), detectionOf(left)]),
    ).toEqual({
      pairs: [
        [0, 1],
        [1, 0],
      ],
      unmatched: [],
    });
    expect(pairs([track(10, 10, left)], [detectionOf(square(30, 30))])).toEqual({
      pairs: [],
      unmatched: [0],
    });
  });

  it("uses motion when both tracked masks cover the look-alike in front", () => {
    const front = square(18, 20);
    const tracks = [track(18, 20, front), track(26, 20, front)];
    expect(pairs(tracks, [detectionOf(square(26, 20)), detectionOf(front)]).pairs).toEqual([
      [0, 1],
      [1, 0],
    ]);
  });

  it("is contested only when the detection fits another object almost as well", () => {
    const front = square(20, 20);
    const isContested = (rival: TrackView) =>
      associate([track(20, 20, front), rival], [detectionOf(front)], FRAME, rules).matches[0]?.contested;
    expect(isContested(track(21, 20, front))).toBe(true);
    expect(isContested(track(28, 20, front))).toBe(false);
    expect(isContested(track(21, 20, front, FRAME - 1 - CONTEST_FRAMES))).toBe(false);
  });

  it("relinks a lost object with a nearby detection, within limits of size and time", () => {
    const away = 8;
    const seen = FRAME - 8;
    expect(pairs([track(20, 20, nothing, seen)], [detectionOf(square(20 + away, 20))]).pairs).toEqual([
      [0, 0],
    ]);
    expect(pairs([track(20, 20, nothing, seen)], [detectionOf(square(20, 20, 20))]).unmatched).toEqual([0]);
    const forgotten = FRAME - RELINK_FRAMES - 1;
    expect(pairs([track(20, 20, nothing, forgotten)], [detectionOf(square(20, 20))]).unmatched).toEqual([0]);
  });

  it("does not associate a visible object with a detection beside it", () => {
    expect(pairs([track(16, 20, square(16, 20))], [detectionOf(square(24, 20))]).unmatched).toEqual([0]);
  });

  it("associates detections of another concept only where the masks are the same object", () => {
    const mask = square(20, 20);
    expect(pairs([track(20, 20, mask)], [detectionOf(mask, 1)]).pairs).toEqual([[0, 0]]);
    expect(pairs([track(20, 20, mask)], [detectionOf(square(23, 20), 1)]).unmatched).toEqual([0]);
  });

  it("keeps detections on an object owned by the user from objects elsewhere", () => {
    const mask = square(20, 20);
    expect(pairs([track(20, 20, nothing, FRAME - 5)], [detectionOf(mask, 0, true)]).unmatched).toEqual([0]);
    expect(pairs([track(20, 20, mask, FRAME - 5)], [detectionOf(mask, 0, true)]).unmatched).toEqual([0]);
    expect(pairs([track(20, 20, mask)], [detectionOf(mask, 0, true)]).pairs).toEqual([[0, 0]]);
  });
});
