/**
 * Every threshold of the detect-and-track loop in one place, with what raising and lowering it does. Which numbers hold is
 * said by a preset (`presets.ts`), then by the pack's manifest, then by the session.
 *
 * Fields that the SAM 3 paper's code has carry its names. Where SAM 3 and this project do a thing by different rules, a
 * field chooses between the two, and the fields that only one of them reads say so: "motion" or "overlap" for the two
 * ways of telling who is who.
 */
import { change, type PresetName, presets } from "./presets.js";

export interface TrackerPolicy {
  /** Which detections count. */
  detect: {
    /** Score above which something is a detection. Higher: fewer false alarms. Lower: fewer misses. */
    scoreThresholdDetection: number;
    /** Score a detection needs to become a new object on a frame nobody prompted. Higher: later births, fewer ghosts. */
    newDetThresh: number;
    /** Mask IoU two detections of one concept may have; 0: no suppression. Higher: touching things survive. Lower: fewer doubles. */
    detNmsThresh: number;
    /** Share of the smaller of two masks that may lie in the other. Higher: parts survive beside their whole. 1: off. */
    nmsCovered: number;
    /** Mask IoU from which detections (or objects) of different concepts are one thing. Higher: more doubles. 0: never. */
    sameThingIou: number;
    /** Objects of different concepts are strangers: they neither match, hide nor cut each other. SAM 3 knows one concept. */
    conceptsApart: boolean;
    /** Leave out new objects whose box has its centre within `boundaryMargin` of the edge: fewer halves, later arrivals. */
    suppressDetCloseToBoundary: boolean;
    /** Count detections whose mask has no pixel; an object that starts invisible comes of it. */
    keepEmpty: boolean;
    /** Give ids in the order in which the detector lists things; false: best first. */
    keepRowOrder: boolean;
    /** What stands in for the words of a concept that was only shown; null for no words. */
    exemplarPhrase: string | null;
    /** Boxes of its own tracked objects that a shown concept is searched with on later frames. 0: prompted frame only. */
    selfExemplars: number;
    /** Make an object of a positive exemplar box in which nothing was detected. */
    exemplarIsInstance: boolean;
    /** A phrase makes its objects at once. False: it is noted, and they are made when a propagation visits the frame. */
    promptCreates: boolean;
  };
  /** Which detection belongs to which object. */
  associate: {
    /**
     * How objects are told apart. `overlap` is SAM 3's: masks that overlap are the same, with probation, occlusion order and
     * the shrink rule. `motion` is ours: one to one by overlap and movement, with look-alikes resolution after crossings.
     */
    identity: "overlap" | "motion";
    /** Mask IoU that ties a detection to an object, so that it is no new one. Higher: more births. */
    assocIouThresh: number;
    /** Mask IoU from which the tracked mask and the detection agree. Higher: tracks count as unsupported more often. */
    trkAssocIouThresh: number;
    /** One detection supports one object at most (overlap). On: of two objects on one thing, one is unsupported. */
    o2oMatchingMaskletsEnable: boolean;
  };
  /** How objects are born, hidden and let go. */
  life: {
    /**
     * Frames by which the stream lags behind the model, so that objects found out to be ghosts are never shown; and with
     * it the length of the probation (overlap). Higher: fewer ghosts, later output. 0: frames are shown at once.
     */
    hotstartDelay: number;
    /** Overlap: unsupported frames that end an object on probation. Higher: more patience, more ghosts. At most the delay. */
    hotstartUnmatchThresh: number;
    /** Overlap: frames of sharing a detection with an older object that end it on probation. Higher: doubles live longer. */
    hotstartDupThresh: number;
    /** False: also after its probation an object is hidden while its keep-alive credit is used up. */
    suppressUnmatchedOnlyWithinHotstart: boolean;
    /** Credit of a new object; each unsupported frame costs one. Higher: unsupported tracks are shown longer. */
    initTrkKeepAlive: number;
    /** Most credit that supported frames can earn. Higher: what was seen long is trusted longer. */
    maxTrkKeepAlive: number;
    /** Least credit. Lower: what was unsupported long takes longer to come back. */
    minTrkKeepAlive: number;
    /** Frames without a mask cost credit too (overlap): things behind an obstacle are hidden sooner when they return. */
    decreaseTrkKeepAliveForEmptyMasklets: boolean;
    /** Show an object only after it was detected on several frames in a row (overlap): fewer flashes, later arrivals. */
    maskletConfirmationEnable: boolean;
    /** That number of frames. Higher: surer, later. */
    maskletConfirmationConsecutiveDetThresh: number;
    /** A click confirms its object. SAM 3 writes the value that means "unconfirmed". */
    clickConfirms: boolean;
    /** An object counts as unsupported also on frames where nobody looked for it, which ends box-only sessions in SAM 3. */
    countUnsearchedFrames: boolean;
    /** HotStart counters start again with each pass. False: what was unsupported forward counts again backward. */
    resetHotstartPerPass: boolean;
    /**
     * Motion: frames on which an object born on an unprompted frame is detected as surely as a new object must be, its first
     * included, before it is shown. Higher: fewer flashes, later arrival.
     */
    confirmFrames: number;
    /**
     * What is reported as a detected object's probability: its best detection so far (motion), or the one it was born with. A
     * thing that comes into the picture bit by bit is born of a poor one.
     */
    probability: "best" | "birth";
    /** Objects at once, except in a single picture. Further detections are refused and counted. Higher: more is followed, each object costs time and room. */
    maxNumObjects: number;
    /** A removed object keeps its place, so that the detector does not find it again as something new. */
    removedKeepsPlace: boolean;
  };
  /** What happens when masks claim the same pixels. */
  overlap: {
    /** Mask IoU from which two objects follow the same thing; 0: off. Lower: sooner declared hidden. */
    suppressOverlappingBasedOnRecentOcclusionThreshold: number;
    /** Going backward, whoever was hidden on the nearest frame loses, as forward. False: never having been hidden loses. */
    symmetricOcclusion: boolean;
    /** Motion: the same among objects made by clicks and boxes; off lets "shirt" and "person" overlap. */
    exclusivePrompted: boolean;
    /** Grid on which that share is measured: the masks' own, or the one that memory is made from, four times finer. */
    shrinkGrid: "mask" | "memory";
  };
  /** What a shown mask is made of. */
  mask: {
    /**
     * Motion: a mask that came from the detector is drawn again by the decoder that answers clicks, from its box and itself,
     * and that is believed if the two have so much IoU. Higher: closer to what was detected. 0: never drawn again.
     */
    redrawnIou: number;
    /**
     * Holes, and specks of at most half the mask, up to so many pixels are cleaned: of the mask grid, and of the video in what
     * the plain decoder answers a click. Higher: smoother. 0: off.
     */
    fillHoleArea: number;
    /** The same as a share of the mask grid; the larger of the two holds. */
    speckShare: number;
    /** Each pixel of the video is shown for one object, the one the tracker is surest of. */
    objectWiseNonOverlap: boolean;
    /** What the tracker's probability is taken to be where there is none. 0 lets such an object lose all its pixels. */
    unknownTrackerProb: number;
    /** On a frame that removes an object, those after it show the mask of the one before; a slip of SAM 3's port. */
    slipsOnRemoval: boolean;
    /** Boxes of what is shown, edges exclusive; or SAM 3's: of the mask before pixels went to others, last pixel as the edge. */
    boxes: "shown" | "sam3";
  };
  /** When a track is corrected with a detection and remembers that for good. */
  recondition: {
    /** Every n-th frame, if a confident detection agrees. 0: never. Higher: memory keeps up less with how things look. */
    reconditionEveryNthFrame: number;
    /** Detection score needed, and object score logit of the track (overlap). Higher: fewer corrections. */
    highConfThresh: number;
    /** Mask IoU needed for the periodic rule. Higher: fewer corrections. */
    highIouThresh: number;
    /** Overlap: box IoU of track and detection below which the detection is taken; 0: off. Higher: more corrections. */
    reconstructionBboxIouThresh: number;
    /** Overlap: detection score needed for that. Higher: fewer corrections. */
    reconstructionBboxDetScore: number;
    /**
     * Overlap: what the frame is remembered by. `pointer`: the detection's pointer with the track's memory; `track`: as
     * tracked, only promoted; `detection`: memory of the detection.
     */
    reconditionWith: "pointer" | "track" | "detection";
    /** Overlap: the corrected frame shows the detection's mask, also when the periodic rule corrected it. */
    showReconditioned: boolean;
    /** Overlap: also what the user said of the frame is replaced, and its clicks are forgotten; false: it stands. */
    overrulesUser: boolean;
  };
  /** What an object remembers, and which of it conditions a frame. */
  memory: {
    /**
     * Memory selection by score: a tracked frame counts when its score is above this; null: off. Higher: only the best
     * looks condition a frame.
     */
    mfThreshold: number | null;
    /** Prefer frames on which the object was seen, looking back at most so many; null: the last frames as they are. */
    seenWithin: number | null;
    /** Objects found on one frame share a bucket: its memory score, and which of its frames are conditioning frames. */
    buckets: "first-frame" | "object";
    /** What memories are rounded to when they are kept. */
    precision: "float32" | "bfloat16";
    /** Pointers of the selected conditioning frames, or of all past ones. */
    conditioningPointers: "selected" | "past";
    /** Of two conditioning frames equally far away, the one that was added first, or the earlier in the video. */
    conditioningTies: "added" | "earlier";
    /** The pointers' window shrinks with a video shorter than it. */
    pointerWindowFitsVideo: boolean;
    /** Detection logit above which a pixel belongs to the mask a new object starts from. Higher: tighter masks. */
    newObjectLogit: number;
    /** That mask is cut after the detection was enlarged to the image; false: before. */
    newObjectFine: boolean;
    /** Frames on which objects are born are tracked again for everybody, with the raw masks remembered. */
    retrackOnBirth: boolean;
    /** A conditioning frame is shown as it was; false: corrections by the detector are tracked again when revisited. */
    conditioningIsFinal: boolean;
    /** Conditioning memories kept per object; 0: all. */
    conditioning: number;
    /** Of those, corrections by the detector; 0: all. */
    reconditioned: number;
    /**
     * Tracked frames kept: the window a next frame can use; also the windows around prompts and births, where a pass in the
     * other direction starts; or all of them, which grows with the video.
     */
    tracked: "window" | "windows" | "all";
  };
  /** What clicks do to an object. */
  edit: {
    /** `plain`: the decoder answers them, as in SAM 3. `guided`: memory first, and the decoder where it ignores a click. */
    decoder: "plain" | "guided";
    /** Decode clicks on a tracked frame with memory (SAM 2) or without (SAM 3). */
    usePrevMemFrame: boolean;
    /** Start from the mask that is known of the frame (plain). */
    previousMask: boolean;
    /** Removed and made again by its first correction: nothing of its past conditions it any longer. */
    useStatelessRefinement: boolean;
    /** A corrected frame conditions others for good; false: like a tracked one, until it is tracked again. */
    correctionIsConditioning: boolean;
    /** Tracked frames around a click that are forgotten, because they led to the mistake. */
    clearFrames: number;
    /** Frames around a click whose masks later clicks no longer start from. */
    clearMasksWindow: number;
    /** Detector-made conditioning memories within so many frames of a click are conditioning no longer. Higher: the click rules longer. */
    refinementDetectorCondFrameRemovalWindow: number;
    /** Such memories are forgotten; false: they stay as tracked frames. */
    demotedAreForgotten: boolean;
    /** Clicks per frame that the model is given: the first and the last half of these. 0: all. */
    maxPoints: number;
  };
  /** What a propagation does with what is known already. */
  session: {
    /** A propagation after edits redoes the edited objects only, and one after none only shows what is known. */
    propagationModes: boolean;
    /** Without concepts, objects are only tracked: no rule between them applies. */
    clicksAreTrackedPlainly: boolean;
    /** Clicks, and tracking what was clicked, need frames that have been visited; what SAM 3 fails on. */
    clickNeedsVisitedFrame: boolean;
    /** Frames nobody has visited are shown empty by a propagation that only shows what is known; false: they are visited. */
    showsUnknownFrames: boolean;
    /** A propagation starts by default at the smallest frame that was visited; false: that was prompted. */
    startsAtVisited: boolean;
    /** Removing an object before the first propagation turns that propagation into showing what is known. */
    removalEndsTracking: boolean;
    /** Frames whose masks are kept for that; 0: all. */
    cachedFrames: number;
  };
}

export type PolicyOverrides = { [Group in keyof TrackerPolicy]?: Partial<TrackerPolicy[Group]> };

/** What a manifest says about detections; field names as in the manifest. */
export interface ManifestDetect {
  scoreThreshold: number;
  nmsIou: number;
  newObjectScore: number;
}

/**
 * A preset, then the pack's manifest, then the overrides. The manifest says how much overlap detections may have, the
 * preset whether that is looked at.
 */
export function resolvePolicy(
  overrides: PolicyOverrides = {},
  manifest?: ManifestDetect,
  preset: PresetName = "masklet",
): TrackerPolicy {
  const base = presets[preset];
  const fromManifest: PolicyOverrides = manifest
    ? {
        detect: {
          scoreThresholdDetection: manifest.scoreThreshold,
          newDetThresh: manifest.newObjectScore,
          ...(base.detect.detNmsThresh > 0 ? { detNmsThresh: manifest.nmsIou } : {}),
        },
      }
    : {};
  return change(change(base, fromManifest), overrides);
}
