/** Compares the rules between the networks with the methods of transformers, recorded by `training/parity/host_steps.py`. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { detect } from "../../detector/detect.js";
import { float32, int32, type RunGraph } from "../../detector/graph.js";
import { maskBits } from "../../detector/mask-bits.js";
import { presets } from "../../tracker/presets.js";
import { associateSam3 } from "../../tracker/sam3/association.js";
import { emptyHotStart, updateHotStart } from "../../tracker/sam3/hot-start.js";
import { withoutShrunk } from "../../tracker/sam3/shrinkage.js";
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

interface SuppressionCase {
  masks: ArrayRef;
  scores: number[];
  scoreThreshold: number;
  maxIou: number;
  /** Rows, ascending. */
  kept: number[];
}

interface HotstartFrame {
  frame: number;
  born: number[];
  matched: number[][];
  unmatched: number[];
  empty: number[];
  removed: number[];
  suppressed: number[];
  keepAlive: [id: number, credit: number][];
}

interface HotstartCase {
  reverse: boolean;
  settings: {
    hotstart_delay: number;
    hotstart_unmatch_thresh: number;
    hotstart_dup_thresh: number;
    suppress_unmatched_only_within_hotstart: boolean;
    init_trk_keep_alive: number;
    max_trk_keep_alive: number;
    min_trk_keep_alive: number;
    decrease_trk_keep_alive_for_empty_masklets: boolean;
  };
  frames: HotstartFrame[];
}

interface Golden {
  association: AssociationCase[];
  shrinking: ShrinkingCase[];
  suppression: SuppressionCase[];
  hotstart: HotstartCase[];
}

const folder = path.join(goldenDir, "..", "steps");
const golden: Golden = JSON.parse(readFileSync(path.join(folder, "golden.json"), "utf8"));
const { tensor, bits } = openArrays(folder);
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
    const found = associateSam3(
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

describe("detections that overlap", () => {
  const { suppression } = golden;

  /** A detector that returns exactly these detections, in descending order of score as the contract requires. */
  function detectorOf({ masks, scores }: SuppressionCase): RunGraph {
    const side = masks.shape[1] as number;
    const inside = bits(masks);
    const order = scores.map((_, row) => row).sort((a, b) => (scores[b] as number) - (scores[a] as number));
    const logits = order.flatMap((row) =>
      Array.from(inside.subarray(row * side ** 2, (row + 1) * side ** 2), (bit) => 2 * bit - 1),
    );
    return async () => ({
      scores: float32(
        [1, order.length],
        Float32Array.from(order, (row) => scores[row] as number),
      ),
      masks: float32([1, order.length, side, side], Float32Array.from(logits)),
      query: int32([1, order.length], Int32Array.from(order)),
    });
  }

  test.each(suppression.map((each, index) => [index, each] as const))("case %d", async (_, each) => {
    const concept = {
      key: 0,
      phrase: "thing",
      text: new Float32Array(1),
      textMask: new Int32Array(1),
      exemplars: new Map(),
    };
    const { detections } = await detect(
      detectorOf(each),
      { trunk: float32([1], new Float32Array(1)) },
      [{ concept, exemplars: [] }],
      { L: 1, D: 1, m: each.masks.shape[1] as number, queries: true },
      {
        scoreThresholdDetection: each.scoreThreshold,
        detNmsThresh: each.maxIou,
        nmsCovered: policy.detect.nmsCovered,
        sameObjectIou: 0,
        keepEmpty: true,
        keepRowOrder: true,
      },
    );
    expect(detections.map(({ score }) => score)).toEqual(each.kept.map((row) => each.scores[row]));
  });

  test("some go because they score too low, some because of a better one, and some pairs stay", () => {
    const confident = ({ scores, scoreThreshold }: SuppressionCase) =>
      scores.filter((score) => score > scoreThreshold).length;
    expect(suppression.some((each) => confident(each) < each.scores.length)).toBe(true);
    expect(suppression.some((each) => each.kept.length < confident(each))).toBe(true);
    expect(suppression.some((each) => each.kept.length > 1)).toBe(true);
  });
});

describe("hot start", () => {
  const { hotstart } = golden;

  test.each(hotstart.map((each, index) => [index, each] as const))("case %d", (_, each) => {
    const { settings, reverse } = each;
    const rules = {
      hotstartDelay: settings.hotstart_delay,
      hotstartUnmatchThresh: settings.hotstart_unmatch_thresh,
      hotstartDupThresh: settings.hotstart_dup_thresh,
      suppressUnmatchedOnlyWithinHotstart: settings.suppress_unmatched_only_within_hotstart,
      initTrkKeepAlive: settings.init_trk_keep_alive,
      maxTrkKeepAlive: settings.max_trk_keep_alive,
      minTrkKeepAlive: settings.min_trk_keep_alive,
      decreaseTrkKeepAliveForEmptyMasklets: settings.decrease_trk_keep_alive_for_empty_masklets,
    };
    let hotStart = emptyHotStart;
    for (const { frame, removed, suppressed, keepAlive, ...facts } of each.frames) {
      const decision = updateHotStart(hotStart, { frameIndex: frame, reverse, ...facts }, rules);
      expect(decision.removed, `frame ${frame}`).toEqual(new Set(removed));
      expect(decision.suppressed, `frame ${frame}`).toEqual(new Set(suppressed));
      expect(decision.hotStart.keepAlive, `frame ${frame}`).toEqual(new Map(keepAlive));
      hotStart = decision.hotStart;
    }
  });

  test.each([false, true])("objects are removed as ghosts and as doubles; reverse: %s", (reverse) => {
    const cases = hotstart.filter((each) => each.reverse === reverse);
    const ends = cases.flatMap(({ frames }) =>
      frames.flatMap(({ removed, unmatched, matched }) =>
        removed.map((id) =>
          unmatched.includes(id) ? "ghost" : matched.flat().includes(id) ? "double" : "?",
        ),
      ),
    );
    expect(new Set(ends)).toEqual(new Set(["ghost", "double"]));
    expect(cases.some(({ frames }) => frames.some(({ suppressed }) => suppressed.length > 0))).toBe(true);
  });
});
