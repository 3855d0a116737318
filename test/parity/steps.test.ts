/** Rules between the networks, against the methods of transformers, on masks recorded by `training/parity/host_steps.py`. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { maskBits } from "../../detector/mask-bits.js";
import { associateByOverlap } from "../../tracker/overlap-association.js";
import { presets } from "../../tracker/presets.js";
import { withoutShrunk } from "../../tracker/shrinkage.js";
import { type ArrayRef, goldenDir, openArrays } from "./golden.js";

interface AssociationCase {
  detections: ArrayRef;
  scores: number[];
  detectionPhrases: number[];
  tracks: ArrayRef;
  ids: number[];
  trackPhrases: number[];
  thresholds: Record<
    "assoc_iou_thresh" | "trk_assoc_iou_thresh" | "new_det_thresh" | "high_conf_thresh" | "high_iou_thresh",
    number
  >;
  born: number[];
  unmatched: number[];
  empty: number[];
  matched: number[][];
  confirmed: [id: number, detection: number][];
}

interface ShrinkingCase {
  masks: ArrayRef;
  phrases: number[];
  kept: ArrayRef;
}

const folder = path.join(goldenDir, "..", "steps");
const golden: { association: AssociationCase[]; shrinking: ShrinkingCase[] } = JSON.parse(
  readFileSync(path.join(folder, "golden.json"), "utf8"),
);
const { tensor } = openArrays(folder);
const { transformers: policy } = presets;

/** [count, side, side] → one array for each mask */
function masksOf(ref: ArrayRef): Float32Array[] {
  const [count = 0, side = 0] = ref.shape;
  const values = tensor(ref).data as Float32Array;
  return Array.from({ length: count }, (_, row) => values.slice(row * side * side, (row + 1) * side * side));
}

describe("association by overlap", () => {
  const { association } = golden;

  test.each(association.map((each, index) => [index, each] as const))("case %d", (_, each) => {
    const { thresholds } = each;
    const found = associateByOverlap(
      masksOf(each.tracks).map((mask, t) => ({
        id: each.ids[t] as number,
        group: each.trackPhrases[t] as number,
        bits: maskBits(mask),
      })),
      masksOf(each.detections).map((mask, d) => ({
        concepts: new Set([each.detectionPhrases[d] as number]),
        score: each.scores[d] as number,
        bits: maskBits(mask),
      })),
      {
        associate: {
          ...policy.associate,
          assocIouThresh: thresholds.assoc_iou_thresh,
          trkAssocIouThresh: thresholds.trk_assoc_iou_thresh,
        },
        detect: { ...policy.detect, newDetThresh: thresholds.new_det_thresh },
        recondition: {
          highConfThresh: thresholds.high_conf_thresh,
          highIouThresh: thresholds.high_iou_thresh,
        },
      },
    );
    const { born, unmatched, empty, matched, confirmed } = each;
    expect(found).toEqual({ born, unmatched, empty, matched, confirmed: new Map(confirmed) });
  });

  test("the cases have each outcome", () => {
    for (const outcome of ["born", "unmatched", "empty", "confirmed"] as const)
      expect(association.some((each) => each[outcome].length > 0)).toBe(true);
    expect(association.some(({ matched }) => matched.some((ids) => ids.length > 1))).toBe(true);
  });
});

describe("masks that would lose most of their pixels", () => {
  const { shrinking } = golden;

  test.each(shrinking.map((each, index) => [index, each] as const))(
    "case %d",
    (_, { masks, phrases, kept }) => {
      const objects = masksOf(masks).map((maskLogits, index) => ({
        group: phrases[index] as number,
        maskLogits,
      }));
      expect(withoutShrunk(objects, masks.shape[1] as number, policy.overlap)).toEqual(masksOf(kept));
    },
  );

  test("some of them are emptied, some are not", () => {
    const isEmptied = ({ masks, kept }: ShrinkingCase) => {
      const after = masksOf(kept);
      return masksOf(masks).map((mask, index) => mask.some((logit, at) => logit !== after[index]?.[at]));
    };
    expect(new Set(shrinking.flatMap(isEmptied))).toEqual(new Set([true, false]));
  });
});
