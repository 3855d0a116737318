import { describe, expect, it } from "vitest";
import type { TrackerPolicy } from "../../tracker/policy.js";
import { presets } from "../../tracker/presets.js";

/** Fields of a policy by their own names, which no two groups share. */
function flat(policy: TrackerPolicy): Record<string, unknown> {
  const fields = Object.values(policy).flatMap((group) => Object.entries(group));
  expect(new Set(fields.map(([name]) => name)).size).toBe(fields.length);
  return Object.fromEntries(fields);
}

/** What one preset says otherwise than another, by field. */
function differences(from: TrackerPolicy, to: TrackerPolicy): Record<string, unknown> {
  const before = flat(from);
  return Object.fromEntries(Object.entries(flat(to)).filter(([name, value]) => before[name] !== value));
}

describe("the presets", () => {
  it("sam3 has the numbers of the production build", () => {
    expect(flat(presets.sam3)).toMatchObject({
      scoreThresholdDetection: 0.5,
      detNmsThresh: 0.1,
      assocIouThresh: 0.1,
      trkAssocIouThresh: 0.5,
      newDetThresh: 0.7,
      hotstartDelay: 15,
      hotstartUnmatchThresh: 8,
      hotstartDupThresh: 8,
      suppressUnmatchedOnlyWithinHotstart: true,
      initTrkKeepAlive: 30,
      maxTrkKeepAlive: 30,
      minTrkKeepAlive: -1,
      suppressOverlappingBasedOnRecentOcclusionThreshold: 0.7,
      decreaseTrkKeepAliveForEmptyMasklets: false,
      o2oMatchingMaskletsEnable: false,
      suppressDetCloseToBoundary: false,
      boundaryMargin: 0.025,
      fillHoleArea: 16,
      maxNumObjects: 10_000,
      reconditionEveryNthFrame: 16,
      maskletConfirmationEnable: false,
      maskletConfirmationConsecutiveDetThresh: 3,
      reconstructionBboxIouThresh: 0,
      reconstructionBboxDetScore: 0,
      highConfThresh: 0.8,
      highIouThresh: 0.8,
      usePrevMemFrame: false,
      useStatelessRefinement: false,
      refinementDetectorCondFrameRemovalWindow: 16,
      mfThreshold: 0.01,
      minKept: 0.3,
    });
  });

  it("sam3-ablation leaves the heuristics over time out", () => {
    expect(differences(presets.sam3, presets["sam3-ablation"])).toEqual({
      hotstartDelay: 0,
      hotstartUnmatchThresh: 0,
      hotstartDupThresh: 0,
      reconditionEveryNthFrame: 0,
      mfThreshold: null,
    });
  });

  it("masklet changes what users of SAM 3 reported, keeps concepts apart, and bounds what is kept", () => {
    expect(differences(presets.sam3, presets.masklet)).toEqual({
      // Bugs.
      countUnsearchedFrames: false,
      resetHotstartPerPass: true,
      clickConfirms: true,
      symmetricOcclusion: true,
      unknownTrackerProb: 1e-6,
      overrulesUser: false,
      boxes: "shown",
      clearMasksWindow: 0,
      clickNeedsVisitedFrame: false,
      removalEndsTracking: false,
      showsUnknownFrames: false,
      // Several phrases.
      sameThingIou: 0.6,
      conceptsApart: true,
      // Room.
      precision: "float32",
      conditioning: 16,
      reconditioned: 12,
      tracked: "windows",
      cachedFrames: 4096,
    });
  });

  it("only compact tells look-alikes apart by movement, and shows frames at once", () => {
    const names = Object.entries(presets).filter(([, { associate }]) => associate.identity === "motion");
    expect(names.map(([name]) => name)).toEqual(["compact"]);
    expect(presets.compact.life.hotstartDelay).toBe(0);
    expect(presets.compact.session.propagationModes).toBe(false);
  });
});
