/**
 * Policies by name. `sam3` is the production build of SAM 3. `sam3-ablation` is the same without the hot start,
 * reconditioning and memory selection. `transformers` is the Hugging Face port. `masklet` is SAM 3 without the defects that
 * its users reported. `compact` contains the motion-based rules for small models.
 *
 * Sources: facebookresearch/sam3:sam3/model_builder.py, sam3_video_base.py and sam3_tracker_base.py; for `transformers`
 * huggingface/transformers:src/transformers/models/sam3_video and sam3_tracker_video.
 */
import { changePolicy, type TrackerPolicy } from "./policy.js";

export type PresetName = "sam3" | "sam3-ablation" | "transformers" | "masklet" | "compact";

const sam3: TrackerPolicy = {
  detect: {
    scoreThresholdDetection: 0.5,
    newDetThresh: 0.7,
    detNmsThresh: 0.1,
    nmsCovered: 1,
    sameObjectIou: 0,
    conceptsApart: false,
    maxNumConcepts: 64,
    suppressDetCloseToBoundary: false,
    keepEmpty: true,
    keepRowOrder: true,
    exemplarPhrase: "visual",
    selfExemplars: 0,
    exemplarIsInstance: false,
  },
  associate: {
    rules: "sam3",
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
    confirmFrames: 1,
    probability: "birth",
    maxNumObjects: 10_000,
    removedKeepsPlace: false,
  },
  overlap: {
    suppressOverlappingBasedOnRecentOcclusionThreshold: 0.7,
    exclusivePrompted: true,
    shrinkGrid: "memory",
  },
  mask: {
    redrawnIou: 0,
    fillHoleArea: 16,
    speckShare: 0,
    maxPieceGap: 0,
    objectWiseNonOverlap: true,
  },
  recondition: {
    reconditionEveryNthFrame: 16,
    highConfThresh: 0.8,
    highIouThresh: 0.8,
    reconstructionBboxIouThresh: 0,
    reconstructionBboxDetScore: 0,
  },
  memory: {
    mfThreshold: 0.01,
    seenWithin: null,
    buckets: "first-frame",
    precision: "bfloat16",
    conditioningTies: "added",
    pointerWindowFitsVideo: true,
    newObjectFine: true,
    conditioningIsFinal: true,
    conditioning: 0,
    reconditioned: 0,
    tracked: "all",
  },
  edit: {
    usePrevMemFrame: false,
    excludesFromTracked: false,
    overruleIou: 0,
    useStatelessRefinement: false,
    clearFrames: 0,
    refinementDetectorCondFrameRemovalWindow: 16,
    demotedAreForgotten: false,
  },
  session: {
    propagationModes: true,
    startsAtVisited: true,
    cachedFrames: 0,
  },
  sam3Parity: {
    clickConfirms: false,
    countUnsearchedFrames: true,
    resetHotstartPerPass: false,
    symmetricOcclusion: false,
    unknownTrackerProb: 0,
    boxes: "sam3",
    overrulesUser: true,
    clearMasksWindow: 7,
    clickNeedsVisitedFrame: true,
    showsUnknownFrames: true,
    removalEndsTracking: true,
  },
  transformersParity: {
    promptCreates: true,
    shiftsOnRemoval: false,
    reconditionWith: "pointer",
    showReconditioned: false,
    conditioningPointers: "selected",
    newObjectLogit: 0,
    retrackOnBirth: false,
    previousMask: true,
    correctionIsConditioning: true,
    maxPoints: 16,
    clicksAreTrackedPlainly: false,
  },
};

const sam3Ablation = changePolicy(sam3, {
  life: { hotstartDelay: 0, hotstartUnmatchThresh: 0, hotstartDupThresh: 0 },
  recondition: { reconditionEveryNthFrame: 0 },
  memory: { mfThreshold: null },
});

/** The port without its optional package for mask suppression and cleaning. */
const transformers = changePolicy(sam3, {
  detect: { detNmsThresh: 0, conceptsApart: true },
  overlap: { shrinkGrid: "mask" },
  mask: { fillHoleArea: 0 },
  memory: { mfThreshold: null, buckets: "object", newObjectFine: false },
  edit: { usePrevMemFrame: true, refinementDetectorCondFrameRemovalWindow: 0 },
  session: { propagationModes: false, startsAtVisited: false },
  sam3Parity: {
    overrulesUser: false,
    clearMasksWindow: 0,
    clickNeedsVisitedFrame: false,
    removalEndsTracking: false,
  },
  transformersParity: {
    promptCreates: false,
    shiftsOnRemoval: true,
    reconditionWith: "track",
    showReconditioned: true,
    conditioningPointers: "past",
    newObjectLogit: 0.5,
    retrackOnBirth: true,
    previousMask: false,
    correctionIsConditioning: false,
    maxPoints: 0,
    clicksAreTrackedPlainly: true,
  },
});

/** SAM 3 with several concepts, with bounded memory in long sessions, and without its reported defects. */
const masklet = changePolicy(sam3, {
  detect: { sameObjectIou: 0.6, conceptsApart: true },
  memory: { precision: "float32", conditioning: 16, reconditioned: 12, tracked: "windows" },
  edit: { excludesFromTracked: true, overruleIou: 0.3 },
  session: { cachedFrames: 4096 },
  sam3Parity: {
    clickConfirms: true,
    countUnsearchedFrames: false,
    resetHotstartPerPass: true,
    symmetricOcclusion: true,
    unknownTrackerProb: 1e-6,
    boxes: "shown",
    overrulesUser: false,
    clearMasksWindow: 0,
    clickNeedsVisitedFrame: false,
    showsUnknownFrames: false,
    removalEndsTracking: false,
  },
});

const compact = changePolicy(masklet, {
  detect: {
    nmsCovered: 0.8,
    conceptsApart: false,
    keepEmpty: false,
    keepRowOrder: false,
    exemplarPhrase: null,
    selfExemplars: 3,
    exemplarIsInstance: true,
  },
  associate: { rules: "motion" },
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
  mask: { redrawnIou: 0.5, fillHoleArea: 0, speckShare: 5e-4, maxPieceGap: 0.3, objectWiseNonOverlap: false },
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
  edit: { usePrevMemFrame: true, clearFrames: 7, demotedAreForgotten: true },
  session: { propagationModes: false, startsAtVisited: false },
});

export const presets: Readonly<Record<PresetName, TrackerPolicy>> = {
  sam3: changePolicy(sam3, {}),
  "sam3-ablation": sam3Ablation,
  transformers,
  masklet,
  compact,
};
