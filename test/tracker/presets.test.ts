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

/**
 * Section 4.2 of the notes on SAM 3's video pipeline, row by row: the builds of facebookresearch/sam3:sam3/model_builder.py,
 * and what sam3/model/sam3_video_base.py has as constants. What each does is in `sam3-parameters.test.ts`.
 */
const table: readonly (readonly [name: string, production: unknown, ablation: unknown])[] = [
  ["scoreThresholdDetection", 0.5, 0.5],
  ["detNmsThresh", 0.1, 0.1],
  ["assocIouThresh", 0.1, 0.1],
  ["trkAssocIouThresh", 0.5, 0.5],
  ["newDetThresh", 0.7, 0.7],
  ["hotstartDelay", 15, 0],
  ["hotstartUnmatchThresh", 8, 0],
  ["hotstartDupThresh", 8, 0],
  ["suppressUnmatchedOnlyWithinHotstart", true, true],
  ["initTrkKeepAlive", 30, 30],
  ["maxTrkKeepAlive", 30, 30],
  ["minTrkKeepAlive", -1, -1],
  ["suppressOverlappingBasedOnRecentOcclusionThreshold", 0.7, 0.7],
  ["decreaseTrkKeepAliveForEmptyMasklets", false, false],
  ["o2oMatchingMaskletsEnable", false, false],
  ["suppressDetCloseToBoundary", false, false],
  ["fillHoleArea", 16, 16],
  ["maxNumObjects", 10_000, 10_000],
  ["reconditionEveryNthFrame", 16, 0],
  ["maskletConfirmationEnable", false, false],
  ["maskletConfirmationConsecutiveDetThresh", 3, 3],
  ["reconstructionBboxIouThresh", 0, 0],
  ["reconstructionBboxDetScore", 0, 0],
  ["highConfThresh", 0.8, 0.8],
  ["highIouThresh", 0.8, 0.8],
  ["usePrevMemFrame", false, false],
  ["useStatelessRefinement", false, false],
  ["refinementDetectorCondFrameRemovalWindow", 16, 16],
  // Sections 5.1 and 4.10.
  ["mfThreshold", 0.01, null],
];

describe("the presets", () => {
  it.each(table)("%s is %s in the production build and %s in the ablation", (name, production, ablation) => {
    expect([flat(presets.sam3)[name], flat(presets["sam3-ablation"])[name]]).toEqual([production, ablation]);
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
