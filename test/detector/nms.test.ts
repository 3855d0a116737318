import { describe, expect, it } from "vitest";
import { type MaskBits, maskBits } from "../../detector/mask-bits.js";
import { mergeAcrossConcepts, rejectNegatives, suppressOverlapping } from "../../detector/nms.js";

/** A row of ten pixels, inside from `first` up to and including `last`. */
function row(first: number, last: number): MaskBits {
  return maskBits(Float32Array.from({ length: 10 }, (_, x) => (x >= first && x <= last ? 1 : -1)));
}

describe("suppressing overlapping detections", () => {
  it("keeps the better of two masks whose IoU is above the limit, and both when it equals the limit", () => {
    // SAM 3's example: the first two share one of ten columns, an IoU of exactly 0.1.
    const kept = suppressOverlapping(
      [
        { score: 0.9, bits: row(0, 5) },
        { score: 0.8, bits: row(5, 9) },
        { score: 0.85, bits: row(0, 6) },
      ],
      0.1,
      1,
    );
    expect(kept.map(({ score }) => score)).toEqual([0.9, 0.8]);
  });

  it("drops a mask that a better one covers by more than the limit", () => {
    const whole = { score: 0.9, bits: row(0, 9) };
    const part = { score: 0.8, bits: row(2, 3) };
    expect(suppressOverlapping([whole, part], 0.5, 0.8)).toEqual([whole]);
    expect(suppressOverlapping([whole, part], 0.5, 1)).toEqual([whole, part]);
  });
});

describe("merging detections of several concepts", () => {
  const dog = { score: 0.7, bits: row(0, 5), concepts: new Set([0]) };
  const puppy = { score: 0.9, bits: row(0, 6), concepts: new Set([1]) };
  const cat = { score: 0.8, bits: row(5, 9), concepts: new Set([1]) };

  it("merges detections of the same object, with the better mask and both concepts", () => {
    const merged = mergeAcrossConcepts([dog, puppy, cat], 0.6);
    expect(merged.map(({ score, concepts }) => [score, [...concepts].sort()])).toEqual([
      [0.9, [0, 1]],
      [0.8, [1]],
    ]);
  });

  it("does not merge detections of one concept: suppression handles them", () => {
    const twin = { ...puppy, score: 0.6 };
    expect(mergeAcrossConcepts([puppy, twin], 0.6)).toHaveLength(2);
  });
});

describe("negative concepts", () => {
  const detection = (key: number, score: number, bits: MaskBits) => ({
    concepts: new Set([key]),
    score,
    bits,
  });

  it("reject detections of other concepts that overlap theirs with a lower score", () => {
    const lower = detection(0, 0.7, row(0, 5));
    const higher = detection(0, 0.9, row(0, 5));
    const elsewhere = detection(0, 0.6, row(5, 9));
    const negative = detection(1, 0.8, row(0, 4));
    const found = rejectNegatives([lower, higher, elsewhere, negative], new Set([1]));
    expect(found).toEqual({ objects: [higher, elsewhere], rejected: [negative] });
  });

  it("change nothing when there are none", () => {
    const all = [detection(0, 0.7, row(0, 5)), detection(1, 0.9, row(0, 5))];
    expect(rejectNegatives(all, new Set())).toEqual({ objects: all, rejected: [] });
  });
});
