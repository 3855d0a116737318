import { describe, expect, it } from "vitest";
import type { TrackerPolicy } from "../../tracker/policy.js";
import { presets } from "../../tracker/presets.js";

/** Fields of a policy by name; no two groups share a name. */
function flat(policy: TrackerPolicy): Record<string, unknown> {
  const fields = Object.values(policy).flatMap((group) => Object.entries(group));
  expect(new Set(fields.map(([name]) => name)).size).toBe(fields.length);
  return Object.fromEntries(fields);
}

/** The fields of a preset that differ from another's. */
function differences(from: TrackerPolicy, to: TrackerPolicy): Record<string, unknown> {
  const before = flat(from);
  return Object.fromEntries(Object.entries(flat(to)).filter(([name, value]) => before[name] !== value));
}

/**
 * Section 4.2 of the notes on SAM 3's video pipeline, row by row: the builds of facebookresearch/sam3:sam3/model_builder.py,
 * and the constants of sam3/model/sam3_video_base.py. `sam3/parameters.test.ts` tests their effect.
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

  it("sam3-ablation omits the heuristics over time", () => {
    expect(differences(presets.sam3, presets["sam3-ablation"])).toEqual({
      hotstartDelay: 0,
      hotstartUnmatchThresh: 0,
      hotstartDupThresh: 0,
      reconditionEveryNthFrame: 0,
      mfThreshold: null,
    });
  });

  it("masklet fixes the reported defects, separates concepts, and bounds memory", () => {
    expect(differences(presets.sam3, presets.masklet)).toEqual({
      // Defects.
      excludesFromTracked: true,
      overruleIou: 0.3,
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
      // Several concepts.
      sameObjectIou: 0.6,
      conceptsApart: true,
      // Bounded memory.
      precision: "float32",
      conditioning: 16,
      reconditioned: 12,
      tracked: "windows",
      cachedFrames: 4096,
    });
  });

  it("only compact associates by motion and shows frames without delay", () => {
    const names = Object.entries(presets).filter(([, { associate }]) => associate.rules === "motion");
    expect(names.map(([name]) => name)).toEqual(["compact"]);
    expect(presets.compact.life.hotstartDelay).toBe(0);
    expect(presets.compact.session.propagationModes).toBe(false);
  });
});
