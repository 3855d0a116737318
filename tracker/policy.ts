/**
 * The settings of detection and tracking that differ between presets, or that a pack's manifest or a session may set, each
 * with the effect of raising and lowering it. `presets.ts` holds the values; `resolve-policy.ts` combines the sources.
 * Settings with one value everywhere are constants beside their use.
 *
 * Fields of SAM 3's configuration keep its names. "Overlap" marks fields that only SAM 3's association by mask overlap
 * reads (`associate.identity`), "Motion" those that only the association by motion reads.
 */

interface PolicyFields {
  /** Which detections count. */
  detect: {
    /** Minimum score of a detection. Higher: fewer false alarms. Lower: fewer misses. */
    scoreThresholdDetection: number;
    /** Score a detection needs to start an object on a frame without a prompt. Higher: later starts, fewer ghosts. */
    newDetThresh: number;
    /** Mask IoU that two detections of one concept may have. Higher: touching objects survive. Lower: fewer duplicates. 0: no suppression. */
    detNmsThresh: number;
    /** Share of the smaller of two masks that may lie inside the other. Higher: parts survive beside their whole. 1: off. */
    nmsCovered: number;
    /** Mask IoU from which detections or objects of different concepts are the same object. Higher: more duplicates. 0: never. */
    sameObjectIou: number;
    /** Objects of different concepts neither match, hide nor cut each other. SAM 3 has one concept per session. */
    conceptsApart: boolean;
    /** Concepts of a session. Higher: each adds time to every frame. Lower: less time and memory. */
    maxNumConcepts: number;
    /** Ignore new objects whose box centre is near the edge of the frame. On: fewer halves, later arrivals. */
    suppressDetCloseToBoundary: boolean;
    /** Keep detections whose mask has no pixel. Such an object starts invisible. */
    keepEmpty: boolean;
    /** Assign ids in the order of the detector's rows. Off: best score first. */
    keepRowOrder: boolean;
    /** The phrase of a concept that has example boxes only; null: no text. */
    exemplarPhrase: string | null;
    /** Boxes of its own tracked objects with which a concept without a phrase is detected on later frames. 0: prompted frame only. */
    selfExemplars: number;
    /** Segment an object in a positive example box in which nothing was detected. */
    exemplarIsInstance: boolean;
  };
  /** Which detection belongs to which object. */
  associate: {
    /**
     * `overlap`: SAM 3's rules. Masks that overlap match; hot start, occlusion order and the shrink rule apply. `motion`:
     * one-to-one association by overlap and motion, with ids resolved after look-alikes cross.
     */
    identity: "overlap" | "motion";
    /** Mask IoU that associates a detection with an object, so that it starts no new one. Higher: more new objects. */
    assocIouThresh: number;
    /** Mask IoU from which a tracked mask and a detection agree. Higher: more frames count as unsupported. */
    trkAssocIouThresh: number;
    /** Overlap: a detection supports at most one object. On: duplicates of one object become unsupported. */
    o2oMatchingMaskletsEnable: boolean;
  };
  /** How objects start, are hidden and end. */
  life: {
    /**
     * Frames by which output lags behind the model, so that ghosts are never shown, and the length of hot start (overlap).
     * Higher: fewer ghosts, later output. 0: every frame is shown at once.
     */
    hotstartDelay: number;
    /** Overlap: unsupported frames that end an object in hot start; at most the delay. Higher: more patience, more ghosts. */
    hotstartUnmatchThresh: number;
    /** Overlap: frames of sharing a detection with an older object that end it in hot start. Higher: duplicates live longer. */
    hotstartDupThresh: number;
    /** Off: an object is also hidden after hot start while its keep-alive credit is used up. */
    suppressUnmatchedOnlyWithinHotstart: boolean;
    /** Keep-alive credit of a new object; each unsupported frame costs one. Higher: unsupported tracks are shown longer. */
    initTrkKeepAlive: number;
    /** Maximum credit that supported frames earn. Higher: long-supported tracks are shown longer. */
    maxTrkKeepAlive: number;
    /** Minimum credit. Lower: long-unsupported tracks return later. */
    minTrkKeepAlive: number;
    /** Overlap: frames without a mask cost credit too. On: occluded objects are hidden longer when they return. */
    decreaseTrkKeepAliveForEmptyMasklets: boolean;
    /** Overlap: show an object only after consecutive detections. On: fewer flashes, later arrivals. */
    maskletConfirmationEnable: boolean;
    /** Number of these detections. Higher: fewer flashes. Lower: earlier arrivals. */
    maskletConfirmationConsecutiveDetThresh: number;
    /**
     * Motion: frames with a detection of at least `newDetThresh`, the first included, before an object that started
     * without a prompt is shown. Higher: fewer flashes, later arrivals.
     */
    confirmFrames: number;
    /**
     * Reported probability of a detected object: the score of its first detection, or of its best one so far (motion). An
     * object that enters the frame slowly starts with a poor score.
     */
    probability: "best" | "birth";
    /**
     * Maximum number of objects, except in a single image. Detections beyond it are dropped and counted. Higher: more
     * objects, each at a cost in time and memory.
     */
    maxNumObjects: number;
    /** A removed object keeps its place, so that detection does not start it again. */
    removedKeepsPlace: boolean;
  };
  /** Masks that overlap. */
  overlap: {
    /** Mask IoU from which one of two objects counts as occluded. Higher: more overlap is shown. Lower: hidden sooner. 0: off. */
    suppressOverlappingBasedOnRecentOcclusionThreshold: number;
    /** Motion: objects made by clicks and boxes share no pixel. Off: "shirt" and "person" may overlap. */
    exclusivePrompted: boolean;
    /** Grid of the shrink rule: that of the masks, or that of the memory encoder, four times finer. */
    shrinkGrid: "mask" | "memory";
  };
  /** The masks that are shown. */
  mask: {
    /**
     * Motion: IoU that a detector mask and its redrawing by the click decoder need for the redrawing to be used. Higher:
     * closer to the detector. 0: masks are not redrawn.
     */
    redrawnIou: number;
    /**
     * Maximum area in pixels of holes that are filled; specks up to half the mask are removed likewise. The pixels are
     * those of the mask grid, or of the video in the plain decoder's answer to a click. Higher: smoother. 0: off.
     */
    fillHoleArea: number;
    /** The same area as a share of the mask grid; the larger of the two applies. */
    speckShare: number;
    /** Each pixel of the video belongs to one object, the one with the highest tracking probability. */
    objectWiseNonOverlap: boolean;
  };
  /** When a detection corrects a track and becomes a conditioning memory. */
  recondition: {
    /** Frames between corrections by agreeing detections. Higher: memory follows appearance less. 0: never. */
    reconditionEveryNthFrame: number;
    /** Detection score and (overlap) object score logit that a correction needs. Higher: fewer corrections. */
    highConfThresh: number;
    /** Mask IoU that a periodic correction needs. Higher: fewer corrections. */
    highIouThresh: number;
    /** Overlap: box IoU of track and detection below which the detection's mask is used. Higher: more corrections. 0: off. */
    reconstructionBboxIouThresh: number;
    /** Overlap: detection score that this needs. Higher: fewer corrections. */
    reconstructionBboxDetScore: number;
  };
  /** What an object keeps in memory, and which memories condition a frame. */
  memory: {
    /** Minimum score of a tracked frame that conditions others. Higher: only the best frames do. null: no selection by score. */
    mfThreshold: number | null;
    /** Prefer frames on which the object was visible, up to this many frames back; null: the last frames. */
    seenWithin: number | null;
    /** Objects that were found on one frame share a memory score and their conditioning frames. */
    buckets: "first-frame" | "object";
    /** Precision of stored memories. */
    precision: "float32" | "bfloat16";
    /** Of two conditioning frames at the same distance: the one added first, or the earlier in the video. */
    conditioningTies: "added" | "earlier";
    /** The pointer window shrinks to the length of a shorter video. */
    pointerWindowFitsVideo: boolean;
    /** The initial mask of an object is thresholded after upscaling to the image. Off: before. */
    newObjectFine: boolean;
    /** A conditioning frame is shown as it was. Off: frames corrected by detections are tracked again when revisited. */
    conditioningIsFinal: boolean;
    /** Conditioning memories kept per object. 0: all. */
    conditioning: number;
    /** Those among them that detections made. 0: all. */
    reconditioned: number;
    /**
     * Tracked frames kept: the window that the next frame uses; also the windows around prompts and starts, where a pass in
     * the other direction begins; or all, which grows with the video.
     */
    tracked: "window" | "windows" | "all";
  };
  /** The effect of clicks on an object. */
  edit: {
    /** `plain`: the decoder alone, as in SAM 3. `guided`: with memory first, then the decoder where that ignores a click. */
    decoder: "plain" | "guided";
    /** Decode clicks on a tracked frame with memory (SAM 2) or without (SAM 3). */
    usePrevMemFrame: boolean;
    /** The first correction of a detected object replaces it: its earlier memories are dropped. */
    useStatelessRefinement: boolean;
    /** Tracked frames around a click that are dropped from memory, because they led to the error. */
    clearFrames: number;
    /** Frames around a click within which detections no longer condition. Higher: the click dominates longer. */
    refinementDetectorCondFrameRemovalWindow: number;
    /** Drop these memories. Off: keep them as tracked frames. */
    demotedAreForgotten: boolean;
  };
  /** How a propagation uses earlier results. */
  session: {
    /** After edits, a propagation tracks only the edited objects; without edits, it shows stored results. */
    propagationModes: boolean;
    /** The default start of a propagation: the first visited frame. Off: the first prompted frame. */
    startsAtVisited: boolean;
    /** Frames whose masks are stored for that. 0: all. */
    cachedFrames: number;
  };
  /**
   * Behaviour that exists only to reproduce SAM 3's results where its users reported a defect. `masklet` and `compact` set
   * every field to the corrected value.
   */
  sam3Parity: {
    /** Off: a click leaves its object unconfirmed, because SAM 3 writes the wrong value. */
    clickConfirms: boolean;
    /** Frames without detection count as unsupported, which ends objects in sessions without a phrase. */
    countUnsearchedFrames: boolean;
    /** Off: unsupported frames of the forward pass count again in the backward pass. */
    resetHotstartPerPass: boolean;
    /** Off: in the backward pass, an object that was never occluded loses to one that was. */
    symmetricOcclusion: boolean;
    /** Tracking probability of an object that has none. 0: such an object loses all contested pixels. */
    unknownTrackerProb: number;
    /**
     * `shown`: boxes of the shown masks, right and bottom edges exclusive. `sam3`: boxes of the masks before pixels are
     * assigned to one object, with the last pixel as the edge.
     */
    boxes: "shown" | "sam3";
    /** A detection also replaces the mask of a frame that the user prompted. */
    overrulesUser: boolean;
    /** Frames around a click from whose masks later clicks no longer start. */
    clearMasksWindow: number;
    /** Clicks, and tracking of clicked objects, require visited frames. */
    clickNeedsVisitedFrame: boolean;
    /** A propagation that shows stored results shows unvisited frames empty. Off: it visits them. */
    showsUnknownFrames: boolean;
    /** After an object is removed, a first propagation only shows stored results. */
    removalEndsTracking: boolean;
  };
  /** Behaviour that exists only to reproduce the results of Hugging Face `transformers`, and is SAM 3's in all other presets. */
  transformersParity: {
    /** A phrase starts objects at once. Off: when a propagation visits the frame. */
    promptCreates: boolean;
    /** On a frame that removes an object, each later object shows the mask of the one before it. */
    slipsOnRemoval: boolean;
    /** Memory of a corrected frame: the detection's pointer with the track's memory, or the track's own, only promoted. */
    reconditionWith: "pointer" | "track";
    /** Every corrected frame shows the detection's mask. Off: only frames whose box was wrong. */
    showReconditioned: boolean;
    /** Pointers of the selected conditioning frames, or of all past ones. */
    conditioningPointers: "selected" | "past";
    /** Detection logit above which a pixel belongs to the initial mask of an object. Higher: tighter masks. */
    newObjectLogit: number;
    /** Frames on which objects start are tracked again for all objects, with the raw masks in memory. */
    retrackOnBirth: boolean;
    /** A click starts from the stored mask of the frame. */
    previousMask: boolean;
    /** A corrected frame stays a conditioning frame. Off: it is a tracked frame until it is tracked again. */
    correctionIsConditioning: boolean;
    /** Clicks per frame that the model receives: the first and last half of this number. 0: all. */
    maxPoints: number;
    /** Without concepts, objects are tracked without any rule between them. */
    clicksAreTrackedPlainly: boolean;
  };
}

export type TrackerPolicy = { readonly [Group in keyof PolicyFields]: Readonly<PolicyFields[Group]> };

export type PolicyOverrides = { readonly [Group in keyof PolicyFields]?: Partial<TrackerPolicy[Group]> };

/** @returns a frozen policy with some fields changed; the argument is not modified */
export function changePolicy(policy: TrackerPolicy, overrides: PolicyOverrides): TrackerPolicy {
  const changed = structuredClone(policy);
  for (const [group, values] of Object.entries(overrides))
    Object.assign(changed[group as keyof TrackerPolicy], values);
  for (const group of Object.values(changed)) Object.freeze(group);
  return Object.freeze(changed);
}
