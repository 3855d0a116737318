/**
 * The parameters of SAM 3 that the motion-based rules of `compact` also use. Each test shows a different result just below
 * and just above a value.
 */
import { describe, expect, it } from "vitest";
import { maskBits, maskExtent } from "../../../detector/mask-bits.js";
import { createMemoryBank } from "../../../memory/bank.js";
import {
  createMasklet,
  isShown,
  type Masklet,
  startPass,
  updateLifecycle,
} from "../../../tracker/masklet.js";
import { associate } from "../../../tracker/motion/association.js";
import { matchDetections } from "../../../tracker/motion/matching.js";
import { startMotion } from "../../../tracker/motion/motion-model.js";
import { findNewObjects } from "../../../tracker/motion/new-objects.js";
import { shouldRecondition } from "../../../tracker/motion/recondition.js";
import { findHidden } from "../../../tracker/motion/suppression.js";
import { trackedObservation } from "../../../tracker/observation.js";
import type { TrackerParts } from "../../../tracker/parts.js";
import type { PolicyOverrides, TrackerPolicy } from "../../../tracker/policy.js";
import { changePolicy } from "../../../tracker/policy.js";
import { presets } from "../../../tracker/presets.js";
import {
  createBench,
  createWorld,
  type Instance,
  SIDE as WORLD_SIDE,
  type World,
} from "../scripted-world.js";

const { compact } = presets;
const SIDE = 20;

/** Whole rows of a square grid, `from` up to and including `to`. */
const rows = (from: number, to: number) =>
  Float32Array.from({ length: SIDE * SIDE }, (_, pixel) => {
    const row = Math.floor(pixel / SIDE);
    return row >= from && row <= to ? 4 : -4;
  });
const extentOf = (mask: Float32Array) => maskExtent(mask, SIDE) ?? expect.fail("an empty mask");

function masklet(conceptKey: number | null = 0, life = compact.life): Masklet {
  const bank = createMemoryBank({ recent: 6, pointers: 15, conditioning: 8, reconditioned: 3 });
  const birth = { id: 0, conceptKey, prob: 0.9, bornFrame: 0, bank, motion: null, confirmed: true };
  return createMasklet(birth, life);
}

function detectionOf(mask: Float32Array, score = 0.9) {
  return {
    concepts: new Set([0]),
    score,
    maskLogits: mask,
    bits: maskBits(mask),
    extent: extentOf(mask),
  };
}

describe("assoc_iou_thresh", () => {
  // Two of eight rows are shared.
  const mask = rows(0, 4);
  const other = rows(3, 7);
  const rulesFor = (assocIouThresh: number) => ({
    assocIouThresh,
    sameObjectIou: 0.6,
  });

  it("associates a detection with an object without a known motion", () => {
    const matches = (threshold: number) => {
      const track = { conceptKey: 0, bits: maskBits(mask), motion: null, lost: false };
      const detection = { ...detectionOf(other), claimed: false };
      return associate([track], [detection], 1, rulesFor(threshold)).matches.length;
    };
    expect([matches(0.25), matches(0.26)]).toEqual([1, 0]);
  });

  it("is required of an object that moves as predicted, where the detection lies on an object owned by the user", () => {
    const matches = (threshold: number) => {
      const motion = startMotion(extentOf(other), 0);
      const track = { conceptKey: 0, bits: maskBits(mask), motion, lost: false };
      const detection = { ...detectionOf(other), claimed: true };
      return associate([track], [detection], 1, rulesFor(threshold)).matches.length;
    };
    expect([matches(0.25), matches(0.26)]).toEqual([1, 0]);
  });

  it("is the IoU from which a detection is not new; trk_assoc_iou_thresh for objects created by the user", () => {
    const observationOf = (conceptKey: number | null) => {
      const pointer = new Float32Array();
      const prediction = { maskLogits: mask, score: 5, iou: 0.9, pointer };
      return trackedObservation(masklet(conceptKey), prediction, mask);
    };
    const born = (
      conceptKey: number | null,
      associate: { assocIouThresh: number; trkAssocIouThresh: number },
    ) =>
      findNewObjects([detectionOf(other)], [observationOf(conceptKey)], {
        minScore: 0.5,
        associate,
        sameObjectIou: 0.6,
      }).length;
    expect(born(0, { assocIouThresh: 0.25, trkAssocIouThresh: 0.9 })).toBe(0);
    expect(born(0, { assocIouThresh: 0.26, trkAssocIouThresh: 0 })).toBe(1);
    expect(born(null, { assocIouThresh: 0.9, trkAssocIouThresh: 0.25 })).toBe(0);
    expect(born(null, { assocIouThresh: 0, trkAssocIouThresh: 0.26 })).toBe(1);
  });
});

it("trk_assoc_iou_thresh is the IoU from which a detection lies on an object owned by the user and matches no lost object", () => {
  const [mask, other] = [rows(0, 4), rows(3, 7)];
  const countUnmatched = (trkAssocIouThresh: number) => {
    const policy = changePolicy(compact, { associate: { trkAssocIouThresh } });
    const pointer = new Float32Array();
    const prediction = { maskLogits: mask, score: 5, iou: 0.9, pointer };
    const owned = trackedObservation(masklet(null), prediction, mask);
    const lost = { ...masklet(0), id: 1, state: "lost" as const, motion: startMotion(extentOf(other), 0) };
    const unseen = trackedObservation(lost, prediction, rows(SIDE, SIDE));
    const parts = { policy, geometry: { m: SIDE } } as TrackerParts;
    return matchDetections(parts, 2, [owned, unseen], [detectionOf(other)]).length;
  };
  // The detection and the owned object share two of eight rows.
  expect([countUnmatched(0.25), countUnmatched(0.26)]).toEqual([1, 0]);
});

it("suppress_overlapping…_threshold is the IoU from which two tracks are duplicates", () => {
  const claim = (objectId: number, mask: Float32Array, seen: boolean) => ({
    objectId,
    group: 0,
    maskLogits: mask,
    bits: maskBits(mask),
    supported: false,
    owned: false,
    seen,
    hiddenFrame: null,
    age: 10,
  });
  const hidden = (threshold: number) => {
    const rules = {
      ...compact.overlap,
      suppressOverlappingBasedOnRecentOcclusionThreshold: threshold,
    };
    return [...findHidden([claim(0, rows(0, 4), true), claim(1, rows(3, 7), false)], rules)];
  };
  expect([hidden(0.25), hidden(0.26)]).toEqual([[1], []]);
});

describe("the keep-alive credit", () => {
  /** Whether an object is shown after each frame; "D" is a frame with a detection, "t" one without. */
  function shownAfter(frames: string, rules: PolicyOverrides["life"], isSecondPass = false): string {
    const { life } = changePolicy(compact, { life: rules ?? {} });
    const subject = masklet(0, life);
    if (isSecondPass) startPass(subject, null, true, life);
    return [...frames]
      .map((sign, index) => {
        const facts = {
          frameIndex: index + 1,
          visible: true,
          searched: true,
          detected: sign === "D",
          confident: sign === "D",
        };
        updateLifecycle(subject, facts, life);
        return isShown(subject, life) ? "+" : "-";
      })
      .join("");
  }

  it("init_trk_keep_alive: is the credit of a new object, and of every object when a pass begins", () => {
    expect(shownAfter("tttt", { initTrkKeepAlive: 3 })).toBe("++--");
    expect(shownAfter("tttt", { initTrkKeepAlive: 2 })).toBe("+---");
    expect(shownAfter("tttt", { initTrkKeepAlive: 2 }, true)).toBe("+---");
  });

  it("max_trk_keep_alive: does not grow beyond it", () => {
    const rules = { initTrkKeepAlive: 1, maxTrkKeepAlive: 2 };
    expect(shownAfter("DDDDttt", rules)).toBe("+++++--");
    expect(shownAfter("DDDDttt", { ...rules, maxTrkKeepAlive: 3 })).toBe("++++++-");
  });

  it("min_trk_keep_alive: does not fall below it", () => {
    const rules = { initTrkKeepAlive: 1, minTrkKeepAlive: -1 };
    expect(shownAfter("ttttDDDD", rules)).toBe("-----+++");
    expect(shownAfter("ttttDDDD", { ...rules, minTrkKeepAlive: -2 })).toBe("------++");
  });

  it("suppress_unmatched_only_within_hotstart: hides no object", () => {
    const rules = { initTrkKeepAlive: 1, suppressUnmatchedOnlyWithinHotstart: true };
    expect(shownAfter("tttt", rules)).toBe("++++");
  });
});

describe("reconditioning", () => {
  const decide = (frameIndex: number, facts: object, rules: Partial<TrackerPolicy["recondition"]> = {}) =>
    shouldRecondition(
      { frameIndex, lastFrame: 0, detectionScore: 0.9, maskIou: 0.9, ...facts },
      { ...compact.recondition, ...rules },
      0.5,
    );

  it("recondition_every_nth_frame: corrects on every n-th frame, and never at 0", () => {
    expect([decide(6, {}, { reconditionEveryNthFrame: 6 }), decide(6, {})]).toEqual([true, false]);
    expect(decide(20, { maskIou: 0.1 }, { reconditionEveryNthFrame: 0 })).toBe(false);
  });

  it("high_conf_thresh, high_iou_thresh: requires a confident detection that fits closely", () => {
    expect(decide(16, { detectionScore: 0.7 }, { highConfThresh: 0.7 })).toBe(true);
    expect(decide(16, { detectionScore: 0.85 }, { highConfThresh: 0.9 })).toBe(false);
    expect(decide(16, { maskIou: 0.7 }, { highIouThresh: 0.7 })).toBe(true);
    expect(decide(16, { maskIou: 0.85 }, { highIouThresh: 0.9 })).toBe(false);
  });
});

describe("on the frames of a video", () => {
  const ball = (first = 0): Instance => ({
    label: 1,
    kind: 1,
    at: (frame) => (frame >= first ? [4, 4, 6, 6] : null),
  });
  const score = (value: number) => ({ scores: new Map([[1, value]]) });

  async function objectsOn(
    frame: number,
    instance: Instance,
    world: Partial<World>,
    policy: PolicyOverrides = {},
  ) {
    const bench = createBench(createWorld([instance], world), policy);
    const { result } = await bench.tracker.prompt(bench.frame(0), {
      kind: "concept",
      text: "ball",
      replace: false,
    });
    return frame === 0
      ? result.objects.length
      : ((await bench.run(0, frame)).get(frame)?.objects.length ?? 0);
  }

  it("score_threshold_detection: is enough for an object on a prompted frame", async () => {
    const low = { detect: { scoreThresholdDetection: 0.3 } };
    expect([await objectsOn(0, ball(), score(0.4)), await objectsOn(0, ball(), score(0.4), low)]).toEqual([
      0, 1,
    ]);
  });

  it("new_det_thresh: is needed for an object on any other frame", async () => {
    const high = { detect: { newDetThresh: 0.85 } };
    expect([await objectsOn(5, ball(3), score(0.8)), await objectsOn(5, ball(3), score(0.8), high)]).toEqual([
      1, 0,
    ]);
  });

  /** Prompts an exemplar box around the ball, one pixel larger on each side. */
  async function promptBox(world: Partial<World>, policy: PolicyOverrides) {
    const asDetected = { mask: { redrawnIou: 0 } };
    const bench = createBench(createWorld([ball()], world), { ...policy, ...asDetected });
    const box = [3, 3, 8, 8].map((edge) => edge / WORLD_SIDE) as [number, number, number, number];
    const exemplars = { boxesXywh: [box], labels: [1 as const] };
    const { result } = await bench.tracker.prompt(bench.frame(0), {
      kind: "concept",
      exemplars,
      replace: false,
    });
    return {
      drawn: bench.calls.filter(({ role }) => role === "segment").length,
      prob: result.objects[0]?.prob,
    };
  }

  it("trk_assoc_iou_thresh: decides whether a detection is the instance in a box", async () => {
    // 36 of 64 pixels.
    expect((await promptBox({}, {})).drawn).toBe(0);
    expect((await promptBox({}, { associate: { trkAssocIouThresh: 0.6 } })).drawn).toBe(1);
  });

  it("score_threshold_detection: is the lowest score of an object segmented from a box", async () => {
    const unseen = { minVisible: 99 };
    expect((await promptBox(unseen, {})).prob).toBeCloseTo(0.9);
    expect((await promptBox(unseen, { detect: { scoreThresholdDetection: 0.95 } })).prob).toBeCloseTo(0.95);
  });

  it("trk_assoc_iou_thresh: decides whether a track is wrong and needs the detection's pointer", async () => {
    const seeds = async (trkAssocIouThresh: number) => {
      const bench = createBench(createWorld([ball()]), { associate: { trkAssocIouThresh } });
      await bench.tracker.prompt(bench.frame(0), { kind: "concept", text: "ball", replace: false });
      await bench.run(0, 3);
      return bench.calls.filter(({ role }) => role === "seed").length;
    };
    // Track and detection are equal: an IoU of 1 agrees at a threshold of 1, and not above it.
    expect(await seeds(1)).toBeLessThan(await seeds(1.01));
  });

  it("refinement_detector_cond_frame_removal_window: demotes the detector's conditioning frames near a click", async () => {
    const conditioning = async (refinementDetectorCondFrameRemovalWindow: number) => {
      const bench = createBench(createWorld([ball()]), {
        edit: { refinementDetectorCondFrameRemovalWindow },
      });
      await bench.tracker.prompt(bench.frame(0), { kind: "concept", text: "ball", replace: false });
      await bench.run(0, 5);
      const points = [[6.5 / WORLD_SIDE, 6.5 / WORLD_SIDE] as const];
      const click = { kind: "object", objectId: 0, points, labels: [1], clearOldPoints: true } as const;
      await bench.tracker.prompt(bench.frame(5), { ...click, clearOldBoxes: true });
      await bench.run(6, 6);
      const track = bench.calls.filter(({ role }) => role === "track").at(-1);
      return [...(track?.inputs.memory_t?.data ?? [])].filter((row) => row === 6).length;
    };
    expect([await conditioning(5), await conditioning(4)]).toEqual([1, 2]);
  });
});
