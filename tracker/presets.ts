/**
 * Policies by name. `sam3` is the production build of SAM 3, `sam3-ablation` the same without its heuristics over time,
 * `transformers` what Hugging Face's port does, `masklet` SAM 3 without what its users hit as bugs, and `compact` what
 * makes a small model usable.
 *
 * Sources: facebookresearch/sam3:sam3/model_builder.py, sam3_video_base.py and sam3_tracker_base.py; for `transformers`
 * huggingface/transformers:src/transformers/models/sam3_video and sam3_tracker_video.
 */
import type { PolicyOverrides, TrackerPolicy } from "./policy.js";

export type PresetName = "sam3" | "sam3-ablation" | "transformers" | "masklet" | "compact";

const sam3: TrackerPolicy = {
  detect: {
    scoreThresholdDetection: 0.5,
    newDetThresh: 0.7,
    detNmsThresh: 0.1,
    nmsCovered: 1,
    sameThingIou: 0,
    conceptsApart: false,
    suppressDetCloseToBoundary: false,
    keepEmpty: true,
    keepRowOrder: true,
    exemplarPhrase: "visual",
    selfExemplars: 0,
    exemplarIsInstance: false,
    promptCreates: true,
  },
  associate: {
    identity: "overlap",
    assocIouThresh: 0.1,
    trkAssocIouThresh: 0.5,
    o2oMatchingMaskletsEnable: false,
  },
  life: {
    hotstartDelay: 15,
    hotstartUnmatchThresh: 8,
    hotstartDupThresh: 8,
    suppressUnmatchedOnlyWithinHotstart: true,
    initTrkKeepAlive: 30,
    maxTrkKeepAlive: 30,
    minTrkKeepAlive: -1,
    decreaseTrkKeepAliveForEmptyMasklets: false,
    maskletConfirmationEnable: false,
    maskletConfirmationConsecutiveDetThresh: 3,
    clickConfirms: false,
    countUnsearchedFrames: true,
    resetHotstartPerPass: false,
    confirmFrames: 1,
    probability: "birth",
    maxNumObjects: 10_000,
    removedKeepsPlace: false,
  },
  overlap: {
    suppressOverlappingBasedOnRecentOcclusionThreshold: 0.7,
    symmetricOcclusion: false,
    exclusivePrompted: true,
    shrinkGrid: "memory",
  },
  mask: {
    redrawnIou: 0,
    fillHoleArea: 16,
    speckShare: 0,
    objectWiseNonOverlap: true,
    unknownTrackerProb: 0,
    slipsOnRemoval: false,
    boxes: "sam3",
  },
  recondition: {
    reconditionEveryNthFrame: 16,
    highConfThresh: 0.8,
    highIouThresh: 0.8,
    reconstructionBboxIouThresh: 0,
    reconstructionBboxDetScore: 0,
    reconditionWith: "pointer",
    showReconditioned: false,
    overrulesUser: true,
  },
  memory: {
    mfThreshold: 0.01,
    seenWithin: null,
    buckets: "first-frame",
    precision: "bfloat16",
    conditioningPointers: "selected",
    conditioningTies: "added",
    pointerWindowFitsVideo: true,
    newObjectLogit: 0,
    newObjectFine: true,
    retrackOnBirth: false,
    conditioningIsFinal: true,
    conditioning: 0,
    reconditioned: 0,
    tracked: "all",
  },
  edit: {
    decoder: "plain",
    usePrevMemFrame: false,
    previousMask: true,
    useStatelessRefinement: false,
    correctionIsConditioning: true,
    clearFrames: 0,
    clearMasksWindow: 7,
    refinementDetectorCondFrameRemovalWindow: 16,
    demotedAreForgotten: false,
    maxPoints: 16,
  },
  session: {
    propagationModes: true,
    clicksAreTrackedPlainly: false,
    clickNeedsVisitedFrame: true,
    showsUnknownFrames: true,
    startsAtVisited: true,
    removalEndsTracking: true,
    cachedFrames: 0,
  },
};

const sam3Ablation = change(sam3, {
  life: { hotstartDelay: 0, hotstartUnmatchThresh: 0, hotstartDupThresh: 0 },
  recondition: { reconditionEveryNthFrame: 0 },
  memory: { mfThreshold: null },
});

/** Mask suppression and cleaning need an optional package there, which is taken to be missing. */
const transformers = change(sam3, {
  detect: { detNmsThresh: 0, conceptsApart: true, promptCreates: false },
  overlap: { shrinkGrid: "mask" },
  mask: { fillHoleArea: 0, slipsOnRemoval: true },
  recondition: { reconditionWith: "track", showReconditioned: true, overrulesUser: false },
  memory: {
    mfThreshold: null,
    buckets: "object",
    conditioningPointers: "past",
    newObjectLogit: 0.5,
    newObjectFine: false,
    retrackOnBirth: true,
  },
  edit: {
    usePrevMemFrame: true,
    previousMask: false,
    correctionIsConditioning: false,
    clearMasksWindow: 0,
    refinementDetectorCondFrameRemovalWindow: 0,
    maxPoints: 0,
  },
  session: {
    propagationModes: false,
    clicksAreTrackedPlainly: true,
    startsAtVisited: false,
    clickNeedsVisitedFrame: false,
    removalEndsTracking: false,
  },
});

/** What is changed here is what SAM 3's users reported, and a bound on what a long session keeps. */
const masklet = change(sam3, {
  detect: { sameThingIou: 0.6, conceptsApart: true },
  life: { countUnsearchedFrames: false, resetHotstartPerPass: true, clickConfirms: true },
  overlap: { symmetricOcclusion: true },
  mask: { unknownTrackerProb: 1e-6, boxes: "shown" },
  recondition: { overrulesUser: false },
  memory: { precision: "float32", conditioning: 16, reconditioned: 12, tracked: "windows" },
  edit: { clearMasksWindow: 0 },
  session: {
    clickNeedsVisitedFrame: false,
    showsUnknownFrames: false,
    removalEndsTracking: false,
    cachedFrames: 4096,
  },
});

const compact = change(masklet, {
  detect: {
    nmsCovered: 0.8,
    conceptsApart: false,
    keepEmpty: false,
    keepRowOrder: false,
    exemplarPhrase: null,
    selfExemplars: 3,
    exemplarIsInstance: true,
  },
  associate: { identity: "motion" },
  life: {
    hotstartDelay: 0,
    suppressUnmatchedOnlyWithinHotstart: false,
    probability: "best",
    confirmFrames: 3,
    maxNumObjects: 64,
    removedKeepsPlace: true,
  },
  overlap: {
    suppressOverlappingBasedOnRecentOcclusionThreshold: 0.6,
    exclusivePrompted: false,
    shrinkGrid: "mask",
  },
  mask: { redrawnIou: 0.5, fillHoleArea: 0, speckShare: 5e-4, objectWiseNonOverlap: false },
  memory: {
    mfThreshold: null,
    seenWithin: 30,
    buckets: "object",
    conditioningTies: "earlier",
    pointerWindowFitsVideo: false,
    newObjectFine: false,
    conditioningIsFinal: false,
    reconditioned: 3,
    tracked: "window",
  },
  edit: { decoder: "guided", usePrevMemFrame: true, clearFrames: 7, demotedAreForgotten: true },
  session: { propagationModes: false, startsAtVisited: false },
});

export const presets: Readonly<Record<PresetName, TrackerPolicy>> = {
  sam3,
  "sam3-ablation": sam3Ablation,
  transformers,
  masklet,
  compact,
};

/** A policy with some fields changed; neither is modified. */
export function change(policy: TrackerPolicy, overrides: PolicyOverrides): TrackerPolicy {
  const changed = structuredClone(policy);
  for (const [group, values] of Object.entries(overrides))
    Object.assign(changed[group as keyof TrackerPolicy], values);
  return changed;
}
