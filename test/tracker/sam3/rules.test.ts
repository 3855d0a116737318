/**
 * SAM 3's rules as functions. Each threshold has a case whose result changes with it. The numbered traces were recorded from
 * the logic of SAM 3 with a scripted detector and a scripted tracker.
 */
import { describe, expect, it } from "vitest";
import { maskBits } from "../../../detector/mask-bits.js";
import { suppressOverlapping } from "../../../detector/nms.js";
import { closestConditioning, framesByScore } from "../../../memory/select.js";
import { fillHoles } from "../../../tracker/masks/fill-holes.js";
import { enlarge } from "../../../tracker/masks/resize.js";
import { changePolicy } from "../../../tracker/policy.js";
import { presets } from "../../../tracker/presets.js";
import { awayFromBoundary, bestThatFit } from "../../../tracker/sam3/admission.js";
import { associateSam3 } from "../../../tracker/sam3/association.js";
import { bucketScore } from "../../../tracker/sam3/bucket-score.js";
import { confirm, unconfirmedIds } from "../../../tracker/sam3/confirmation.js";
import {
  emptyHotStart,
  type HotStart,
  resetCounters,
  startHotStart,
  updateHotStart,
} from "../../../tracker/sam3/hot-start.js";
import { findOccluded } from "../../../tracker/sam3/occlusion.js";
import { chooseCorrections } from "../../../tracker/sam3/recondition.js";
import { withoutShrunk } from "../../../tracker/sam3/shrinkage.js";

const { sam3, masklet } = presets;

/** Pixels of one row, `from` up to and including `to`. */
const row = (from: number, to: number, length = 20) =>
  Float32Array.from({ length }, (_, x) => (x >= from && x <= to ? 1 : -1));
const bits = (from: number, to: number, length = 20) => maskBits(row(from, to, length));

describe("suppression of overlapping detections", () => {
  it("allows an IoU of exactly the threshold (trace 15)", () => {
    const candidates = [
      { score: 0.9, bits: bits(0, 5, 10) },
      { score: 0.8, bits: bits(5, 9, 10) },
      { score: 0.85, bits: bits(0, 6, 10) },
    ];
    const kept = (maxIou: number) => suppressOverlapping(candidates, maxIou, 1).map(({ score }) => score);
    expect(kept(sam3.detect.detNmsThresh)).toEqual([0.9, 0.8]);
    expect(kept(0.09)).toEqual([0.9]);
    expect(kept(0.9)).toEqual([0.9, 0.85, 0.8]);
  });
});

describe("association", () => {
  const track = (id: number, from: number, to: number, group: number | null = 0) => ({
    id,
    group,
    bits: bits(from, to),
  });
  const detection = (from: number, to: number, score = 0.9, concept = 0) => ({
    concepts: new Set([concept]),
    // A float32, like the output of a model.
    score: Math.fround(score),
    bits: bits(from, to),
  });

  it("returns every detection as new when no object is tracked", () => {
    expect(associateSam3([], [detection(0, 4, 0.51), detection(8, 9, 0.9)], sam3).born).toEqual([0, 1]);
  });

  it("uses two thresholds: an object can match a detection and be unsupported", () => {
    // Three of ten pixels shared: IoU 0.3.
    const findings = associateSam3([track(7, 0, 9)], [detection(0, 2)], sam3);
    expect(findings).toMatchObject({ born: [], unmatched: [7], matched: [[7]] });
    const lower = { ...sam3, associate: { ...sam3.associate, trkAssocIouThresh: 0.3 } };
    expect(associateSam3([track(7, 0, 9)], [detection(0, 2)], lower).unmatched).toEqual([]);
    const higher = { ...sam3, associate: { ...sam3.associate, assocIouThresh: 0.31 } };
    expect(associateSam3([track(7, 0, 9)], [detection(0, 2)], higher)).toMatchObject({
      born: [0],
      matched: [[]],
    });
  });

  it("includes the threshold itself", () => {
    // One of ten, and five of ten.
    expect(associateSam3([track(1, 0, 9)], [detection(0, 0)], sam3).born).toEqual([]);
    expect(associateSam3([track(1, 0, 9)], [detection(0, 4)], sam3).unmatched).toEqual([]);
    const atBar = detection(12, 14, Math.fround(0.7));
    expect(associateSam3([track(1, 0, 9)], [atBar], sam3).born).toEqual([0]);
    expect(associateSam3([track(1, 0, 9)], [detection(12, 14, 0.699)], sam3).born).toEqual([]);
  });

  it("distinguishes objects with an empty mask from unsupported ones", () => {
    const findings = associateSam3([track(1, 0, 4), track(2, 5, 4)], [], sam3);
    expect(findings).toMatchObject({ unmatched: [1], empty: [2] });
  });

  it("lets a detection support at most one object when matching is one to one", () => {
    const both = [track(1, 0, 5), track(2, 0, 6)];
    expect(associateSam3(both, [detection(0, 5)], sam3).unmatched).toEqual([]);
    const strict = { ...sam3, associate: { ...sam3.associate, o2oMatchingMaskletsEnable: true } };
    expect(associateSam3(both, [detection(0, 5)], strict).unmatched).toEqual([2]);
  });

  it("confirms a track by a confident detection with a high IoU; of several, by the last one", () => {
    const found = [detection(0, 8, 0.85), detection(0, 9, 0.8), detection(0, 9, 0.79)];
    expect([...associateSam3([track(4, 0, 9)], found, sam3).confirmed]).toEqual([[4, 1]]);
    const surer = { ...sam3, recondition: { ...sam3.recondition, highConfThresh: 0.81 } };
    expect([...associateSam3([track(4, 0, 9)], found, surer).confirmed]).toEqual([[4, 0]]);
    const closer = { ...surer, recondition: { ...surer.recondition, highIouThresh: 0.95 } };
    expect(associateSam3([track(4, 0, 9)], found, closer).confirmed.size).toBe(0);
  });

  it("separates concepts with conceptsApart, except for detections with an IoU of sameObjectIou", () => {
    const other = [detection(0, 9, 0.9, 1)];
    expect(associateSam3([track(1, 0, 9)], other, sam3).born).toEqual([]);
    expect(associateSam3([track(1, 0, 9)], other, presets.transformers).born).toEqual([0]);
    expect(associateSam3([track(1, 0, 9)], other, masklet)).toMatchObject({ born: [], unmatched: [1] });
  });
});

describe("the hot start", () => {
  const quiet = { born: [], matched: [], unmatched: [], empty: [] };

  function live(
    frames: readonly number[],
    facts: (frame: number) => object,
    from: HotStart,
    rules = sam3.life,
  ) {
    let hotStart = from;
    const removed: [number, number[]][] = [];
    const suppressed: number[] = [];
    const reverse = (frames[0] as number) > (frames.at(-1) as number);
    for (const frameIndex of frames) {
      const decision = updateHotStart(
        hotStart,
        { ...quiet, ...facts(frameIndex), frameIndex, reverse },
        rules,
      );
      hotStart = decision.hotStart;
      if (decision.removed.size > 0) removed.push([frameIndex, [...decision.removed]]);
      if (decision.suppressed.size > 0) suppressed.push(frameIndex);
    }
    return { removed, suppressed, hotStart };
  }
  const frames = (first: number, last: number) =>
    Array.from({ length: Math.abs(last - first) + 1 }, (_, i) => first + (last > first ? i : -i));
  const young = startHotStart(emptyHotStart, [0], 0, sam3.life);
  const unmatched = () => ({ unmatched: [0] });

  it("removes an object after eight unsupported frames, which need not be consecutive", () => {
    expect(live(frames(1, 20), unmatched, young).removed).toEqual([[8, [0]]]);
    const everySecond = (frame: number) => (frame % 2 ? { unmatched: [0] } : { matched: [[0]] });
    // The eighth unsupported frame is frame 15, after the end of the hot start.
    expect(live(frames(1, 30), everySecond, young).removed).toEqual([]);
    expect(
      live(frames(1, 30), everySecond, young, { ...sam3.life, hotstartUnmatchThresh: 7 }).removed,
    ).toEqual([[13, [0]]]);
    expect(live(frames(1, 30), everySecond, young, { ...sam3.life, hotstartDelay: 16 }).removed).toEqual([
      [15, [0]],
    ]);
  });

  it("removes the younger of two objects that share detections on eight frames", () => {
    const two = startHotStart(young, [1], 3, sam3.life);
    const shared = () => ({ matched: [[0, 1]] });
    expect(live(frames(4, 30), shared, two).removed).toEqual([[11, [1]]]);
    expect(live(frames(4, 30), shared, two, { ...sam3.life, hotstartDupThresh: 9 }).removed).toEqual([
      [12, [1]],
    ]);
  });

  it("keeps its counters between passes, unless they are reset (quirk 8)", () => {
    const old = startHotStart(emptyHotStart, [0], 20, sam3.life);
    const { hotStart } = live(frames(37, 59), unmatched, old);
    expect(live(frames(19, 10), () => ({ matched: [[0]] }), hotStart).removed).toEqual([[19, [0]]]);
    expect(live(frames(19, 10), () => ({ matched: [[0]] }), resetCounters(hotStart)).removed).toEqual([]);
  });

  it("hides objects with a credit of 0 or less when the credit also applies after the hot start", () => {
    const rules = { ...sam3.life, hotstartDelay: 0, suppressUnmatchedOnlyWithinHotstart: false };
    expect(live(frames(1, 31), unmatched, young, rules).suppressed).toEqual([30, 31]);
    expect(
      live(frames(1, 40), unmatched, young, { ...rules, suppressUnmatchedOnlyWithinHotstart: true })
        .suppressed,
    ).toEqual([]);
    const short = startHotStart(emptyHotStart, [0], 0, { initTrkKeepAlive: 3 });
    expect(live(frames(1, 4), unmatched, short, rules).suppressed).toEqual([3, 4]);
    const back = (frame: number) => (frame <= 10 ? { unmatched: [0] } : { matched: [[0]] });
    // From the minimum credit of -1, an object needs two supported frames to be shown.
    expect(live(frames(1, 14), back, short, rules).suppressed.at(-1)).toBe(11);
    expect(live(frames(1, 14), back, short, { ...rules, minTrkKeepAlive: -3 }).suppressed.at(-1)).toBe(13);
  });

  it("limits the credit to its maximum, and subtracts it on frames without a mask only by the policy", () => {
    const rules = {
      ...sam3.life,
      hotstartDelay: 0,
      suppressUnmatchedOnlyWithinHotstart: false,
      maxTrkKeepAlive: 3,
    };
    const seen = (frame: number) => (frame <= 10 ? { matched: [[0]] } : { unmatched: [0] });
    const start = startHotStart(emptyHotStart, [0], 0, { initTrkKeepAlive: 1 });
    expect(live(frames(1, 14), seen, start, rules).suppressed).toEqual([13, 14]);
    expect(live(frames(1, 14), seen, start, { ...rules, maxTrkKeepAlive: 2 }).suppressed).toEqual([
      12, 13, 14,
    ]);
    const away = (frame: number) => (frame === 1 ? { unmatched: [0] } : { empty: [0] });
    const three = startHotStart(emptyHotStart, [0], 0, { initTrkKeepAlive: 3 });
    expect(live(frames(1, 6), away, three, rules).suppressed).toEqual([]);
    const charging = { ...rules, decreaseTrkKeepAliveForEmptyMasklets: true };
    expect(live(frames(1, 6), away, three, charging).suppressed).toEqual([3, 4, 5, 6]);
  });
});

describe("masklet confirmation", () => {
  it("requires consecutive detections once", () => {
    const rules = sam3.life;
    const walk = (frames: string, life = rules) => {
      let confirmations = confirm(new Map(), [], new Set(), life);
      for (const sign of frames)
        confirmations = confirm(confirmations, [5], new Set(sign === "D" ? [5] : []), life);
      return unconfirmedIds(confirmations);
    };
    expect([walk("DD"), walk("DDtDD"), walk("DDD"), walk("DDDtt")]).toEqual([[5], [5], [], []]);
    expect(walk("DDD", { ...rules, maskletConfirmationConsecutiveDetThresh: 4 })).toEqual([5]);
  });
});

describe("suppression by most recent occlusion", () => {
  const pair = (i: number, j: number, to = 9) => [
    { group: "a", bits: bits(0, 9), lastHidden: i },
    { group: "a", bits: bits(0, to), lastHidden: j },
  ];
  const hidden = (i: number, j: number, reverse: boolean, rules = sam3) =>
    findOccluded(pair(i, j), reverse, rules)
      .flatMap((is, index) => (is ? ["ij"[index]] : []))
      .join("");

  it("hides the object that was hidden more recently; backward, SAM 3 hides one that never was (trace 12)", () => {
    const all = [
      [-1, -1],
      [-1, 3],
      [5, 3],
      [3, 5],
    ] as const;
    expect(all.map(([i, j]) => hidden(i, j, false))).toEqual(["", "", "i", "j"]);
    expect(all.map(([i, j]) => hidden(i, j, true))).toEqual(["", "i", "j", "i"]);
  });

  it("requires that both objects were hidden before when the rule is symmetric (quirk 9)", () => {
    expect(hidden(-1, 3, true, masklet)).toBe("");
    expect(hidden(5, 3, true, masklet)).toBe("j");
  });

  it("applies to pairs of a group with a sufficient IoU", () => {
    const seven = pair(5, 3, 6);
    expect(findOccluded(seven, false, sam3)).toEqual([true, false]);
    const from = (suppressOverlappingBasedOnRecentOcclusionThreshold: number) =>
      changePolicy(sam3, { overlap: { suppressOverlappingBasedOnRecentOcclusionThreshold } });
    expect(findOccluded(seven, false, from(0.71))).toEqual([false, false]);
    expect(findOccluded(pair(5, 3), false, from(0))).toEqual([false, false]);
    const apart = pair(5, 3).map((one, index) => ({ ...one, group: String(index) }));
    expect(findOccluded(apart, false, sam3)).toEqual([false, false]);
  });
});

describe("the shrink rule", () => {
  /** Two rows of a 4x4 grid each, with logits. */
  const block = (rows: number[], logit: number) =>
    Float32Array.from({ length: 16 }, (_, i) => (rows.includes(Math.floor(i / 4)) ? logit : -5));

  it("empties a mask that keeps less than 0.3 of its pixels, and keeps the other overlaps", () => {
    const front = { group: "a", maskLogits: block([0, 1, 2], 6) };
    const behind = { group: "a", maskLogits: block([0, 1, 2, 3], 4) };
    const rules = { shrinkGrid: "mask" as const };
    const [kept, lost] = withoutShrunk([front, behind], 4, rules);
    expect(kept).toBe(front.maskLogits);
    expect(Math.max(...(lost as Float32Array))).toBe(-10);
    expect(withoutShrunk([front, behind], 4, rules, 0.25)[1]).toBe(behind.maskLogits);
    expect(withoutShrunk([front, { ...behind, group: "b" }], 4, rules)[1]).toBe(behind.maskLogits);
  });

  it("uses a four times finer grid by the policy, and there also empties a single mask without a pixel", () => {
    const empty = { group: "a", maskLogits: block([], 1) };
    expect(Math.max(...(withoutShrunk([empty], 4, sam3.overlap)[0] as Float32Array))).toBe(-10);
    expect(withoutShrunk([empty], 4, { shrinkGrid: "mask" })[0]).toBe(empty.maskLogits);
    // After enlarging, the border between the two masks moves, so the share that the lower one keeps differs.
    const upper = { group: "a", maskLogits: block([0, 1], 6) };
    const lower = { group: "a", maskLogits: block([1, 2], 4) };
    const share = (shrinkGrid: "mask" | "memory", minKept: number) =>
      withoutShrunk([upper, lower], 4, { shrinkGrid }, minKept)[1] === lower.maskLogits;
    expect([share("mask", 0.5), share("mask", 0.51)]).toEqual([true, false]);
    expect(share("memory", 0.55)).toBe(true);
  });
});

describe("memory selection", () => {
  const scores = { 1: 0.5, 2: 0, 3: 0.4, 5: 0.3, 6: 0.005 };
  const tracked = Object.entries(scores).map(([frame, trackScore]) => ({
    frameIndex: Number(frame),
    trackScore,
  }));
  const select = (frame: number, reverse = false, threshold = sam3.memory.mfThreshold ?? 0) =>
    framesByScore(tracked, frame, reverse, 15, threshold);

  it("selects frames with a sufficient score, and always the previous frame (trace 14)", () => {
    expect([select(7), select(4), select(0), select(1)]).toEqual([[1, 3, 5, 6], [1, 3], [], [0]]);
    expect(select(0, true)).toEqual([5, 3, 1]);
    expect(select(7, false, 0.35)).toEqual([1, 3, 6]);
    expect(framesByScore(tracked, 7, false, 2, 0.01)).toEqual([3, 5, 6]);
  });

  it("selects the nearest conditioning frames on both sides first (trace 13)", () => {
    const at = (...frames: number[]) => frames.map((frameIndex) => ({ frameIndex }));
    const chosen = (frame: number, frames: number[]) =>
      closestConditioning(at(...frames), frame, 4).map(({ frameIndex }) => frameIndex);
    expect(chosen(20, [0, 5, 16, 20, 32, 48])).toEqual([16, 20, 32, 5]);
    expect(chosen(100, [0, 16, 32, 48, 64, 80, 96])).toEqual([96, 80, 64, 48]);
  });

  it("scores a bucket by the product of the means", () => {
    const sure = { score: 40, iou: 0.9 };
    expect(bucketScore([sure])).toBeCloseTo(0.9);
    expect(bucketScore([{ score: 0, iou: 0.9 }])).toBe(0);
    expect(bucketScore([sure, { score: -1, iou: 0.5 }])).toBeCloseTo(0.5 * 0.7);
  });
});

describe("cleaning", () => {
  const grid = (...inside: number[]) =>
    Float32Array.from({ length: 16 }, (_, i) => (inside.includes(i) ? 1 : -1));
  const areaOf = (mask: Float32Array) => mask.filter((logit) => logit > 0).length;

  it("removes all pixels of a mask of small equal pieces, and keeps a mask of one pixel (trace 16)", () => {
    // The pixels outside are one piece of twelve: no hole.
    expect(areaOf(fillHoles(grid(0, 1, 10, 11), 4, 4))).toBe(0);
    expect(areaOf(fillHoles(grid(5), 4, 4))).toBe(1);
  });
});

describe("admission", () => {
  it("rejects boxes with a centre near the edge of the frame, by the policy", () => {
    const at = (cx: number) => ({ box: [cx - 0.01, 0.4, cx + 0.01, 0.6] as const });
    const kept = (cx: number, suppressDetCloseToBoundary = true, margin?: number) =>
      awayFromBoundary([at(cx)], { suppressDetCloseToBoundary }, margin).length;
    expect([kept(0.02), kept(0.03), kept(0.98), kept(0.97)]).toEqual([0, 1, 0, 1]);
    expect(kept(0.02, false)).toBe(1);
    expect(kept(0.03, true, 0.04)).toBe(0);
  });

  it("selects the best candidates beyond the limit, and otherwise keeps the order", () => {
    const candidates = [{ score: 0.7 }, { score: 0.9 }, { score: 0.8 }];
    expect(bestThatFit(candidates, 2)).toEqual({ kept: [{ score: 0.9 }, { score: 0.8 }], dropped: 1 });
    expect(bestThatFit(candidates, 3)).toEqual({ kept: candidates, dropped: 0 });
  });
});

describe("choosing corrections", () => {
  const candidate = (score = 5, box = 0.5) => ({
    id: 2,
    score,
    box: [0, 0, 0.5, 0.5] as const,
    detection: { score: 0.9, box: [0, 0, box, box] as const },
  });
  const rules = sam3.recondition;

  it("corrects on every n-th frame tracks with a score logit above the threshold (quirk 10)", () => {
    const ids = (frame: number, score: number, with_ = rules) => [
      ...chooseCorrections([candidate(score)], frame, with_).keys(),
    ];
    expect([ids(16, 0.81), ids(16, 0.8), ids(15, 5), ids(0, 5)]).toEqual([[2], [], [], [2]]);
    expect(ids(15, 5, { ...rules, reconditionEveryNthFrame: 5 })).toEqual([2]);
    expect(ids(16, 5, { ...rules, reconditionEveryNthFrame: 0 })).toEqual([]);
    expect(ids(16, 0.85, { ...rules, highConfThresh: 0.9 })).toEqual([]);
  });

  it("corrects on other frames when a box is wrong, by the policy", () => {
    const off = (box: number, change: object) =>
      chooseCorrections([candidate(5, box)], 15, { ...rules, ...change });
    const wrong = { reconstructionBboxIouThresh: 0.8, reconstructionBboxDetScore: 0.9 };
    expect([...off(0.4, wrong)]).toEqual([[2, { isBoxWrong: true }]]);
    expect(off(0.5, wrong).size).toBe(0);
    expect(off(0.4, {}).size).toBe(0);
    // A quarter of the box, which is not less than a quarter.
    expect(off(0.25, { ...wrong, reconstructionBboxIouThresh: 0.25 }).size).toBe(0);
    expect(off(0.4, { ...wrong, reconstructionBboxDetScore: 0.95 }).size).toBe(0);
  });
});

describe("enlarging a mask", () => {
  it("interpolates between half-pixel centres and repeats the edge", () => {
    const wide = enlarge(Float32Array.of(0, 4, 0, 4), 2, 4);
    expect([...wide.subarray(0, 4)]).toEqual([0, 1, 3, 4]);
    expect(enlarge(wide, 4, 4)).toBe(wide);
  });
});
