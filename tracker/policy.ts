/**
 * The settings of detection and tracking that differ between presets, or that a pack's manifest or a session may set. Each
 * comment states the effect of a higher and of a lower value. `presets.ts` contains the values, and `resolve-policy.ts`
 * combines the sources. Settings with one value everywhere are constants beside their use.
 *
 * Fields of SAM 3's configuration keep its names. Fields marked "SAM 3" apply only under the rules of `sam3/`, and fields
 * marked "Motion" only under those of `motion/`; `associate.rules` selects one of the two. "Supported" means that a detection
 * matches the object on the frame.
 */

interface PolicyFields {
  /** Detections: their score, duplicates, concepts and exemplars. */
  detect: {
    /** Minimum score of a detection. Higher: fewer false positives. Lower: fewer false negatives. */
    scoreThresholdDetection: number;
    /**
     * Minimum score of a detection that creates an object on a frame without a prompt. Higher: later starts, fewer false
     * positives.
     */
    newDetThresh: number;
    /**
     * Maximum mask IoU of two detections of one concept. Higher: more touching objects are kept. Lower: fewer duplicates. 0:
     * no suppression.
     */
    detNmsThresh: number;
    /**
     * Maximum share of the smaller of two masks inside the other. Higher: more parts of objects are kept beside the whole.
     * 1: off.
     */
    nmsCovered: number;
    /**
     * Mask IoU from which detections or objects of different concepts are the same object. Higher: more duplicates. 0:
     * never.
     */
    sameObjectIou: number;
    /** Objects of different concepts have no effect on each other. SAM 3 has one concept per session. */
    conceptsApart: boolean;
    /** Maximum number of concepts of a session. Each adds time to every frame. */
    maxNumConcepts: number;
    /** Ignore new detections whose box centre is near the edge of the frame. On: fewer partial objects, later starts. */
    suppressDetCloseToBoundary: boolean;
    /** Keep detections whose mask has no pixel. They create objects that are not visible at first. */
    keepEmpty: boolean;
    /** Assign ids in the order of the detector's rows. Off: best score first. */
    keepRowOrder: boolean;
    /** The phrase of a concept that has exemplar boxes only; null: no text. */
    exemplarPhrase: string | null;
    /**
     * Tracked objects whose boxes are the exemplars of a concept without a phrase on later frames. 0: it is detected on the
     * prompted frame only.
     */
    selfExemplars: number;
    /** Segment an object in a positive exemplar box that no detection matches. */
    exemplarIsInstance: boolean;
  };
  /** The association of detections with objects. */
  associate: {
    /**
     * `sam3`: SAM 3's rules. Masks that overlap match; the hot start, the occlusion rule and the shrink rule apply.
     * `motion`: one-to-one association by overlap and motion; ids are corrected after look-alikes cross.
     */
    rules: "sam3" | "motion";
    /** Mask IoU from which a detection matches an object and creates no new one. Higher: more new objects. */
    assocIouThresh: number;
    /** Mask IoU from which a tracked mask and a detection agree. Higher: more frames count as unsupported. */
    trkAssocIouThresh: number;
    /** SAM 3: a detection supports at most one object. On: duplicates of one object become unsupported. */
    o2oMatchingMaskletsEnable: boolean;
  };
  /** How objects start, are hidden and end. */
  life: {
    /**
     * Frames by which the output is delayed, and the length of the hot start (SAM 3). False positives and duplicates that
     * the hot start removes are never shown. Higher: fewer of them, later output. 0: every frame is shown at once.
     */
    hotstartDelay: number;
    /** SAM 3: unsupported frames that remove an object in hot start; at most the delay. Higher: more false positives. */
    hotstartUnmatchThresh: number;
    /**
     * SAM 3: frames of sharing a detection with an older object that remove an object in hot start. Higher: more
     * duplicates.
     */
    hotstartDupThresh: number;
    /** Off: an object is also hidden after hot start, while its keep-alive credit is 0 or less. */
    suppressUnmatchedOnlyWithinHotstart: boolean;
    /**
     * Keep-alive credit of a new object; each unsupported frame subtracts one. Higher: unsupported tracks are shown longer.
     */
    initTrkKeepAlive: number;
    /** Maximum credit; each supported frame adds one. Higher: objects with many detections are shown longer without one. */
    maxTrkKeepAlive: number;
    /** Minimum credit. Lower: an object that was long unsupported needs more detections to be shown again. */
    minTrkKeepAlive: number;
    /** SAM 3: frames without a mask also subtract credit. On: objects are hidden longer after an occlusion. */
    decreaseTrkKeepAliveForEmptyMasklets: boolean;
    /** SAM 3: show an object only after consecutive detections. On: fewer short false positives, later starts. */
    maskletConfirmationEnable: boolean;
    /** Number of these detections. Higher: fewer short false positives. Lower: earlier starts. */
    maskletConfirmationConsecutiveDetThresh: number;
    /**
     * Motion: frames with a detection score of at least `newDetThresh`, including the first, after which an object that was
     * created without a prompt is shown. Higher: fewer short false positives, later starts.
     */
    confirmFrames: number;
    /**
     * Reported probability of a detected object: the score of its first detection, or of its best detection so far (motion).
     * The first score of an object that enters the frame slowly is low.
     */
    probability: "best" | "birth";
    /**
     * Maximum number of objects, except in a single image. Detections beyond it are dropped and counted. Higher: more
     * objects, each at a cost in time and memory.
     */
    maxNumObjects: number;
    /** A removed object stays as a hidden placeholder, so that its detections do not create a new object. */
    removedKeepsPlace: boolean;
  };
  /** Masks that overlap. */
  overlap: {
    /** Mask IoU from which one of two objects counts as occluded and is hidden. Higher: fewer objects are hidden. 0: off. */
    suppressOverlappingBasedOnRecentOcclusionThreshold: number;
    /**
     * Motion: objects created by clicks and boxes share no pixel. Off: clicked objects such as a shirt and a person may
     * overlap.
     */
    exclusivePrompted: boolean;
    /**
     * Resolution at which the shrink rule compares masks: the mask grid, or the grid of the memory encoder, four times
     * finer.
     */
    shrinkGrid: "mask" | "memory";
  };
  /** The masks that are shown. */
  mask: {
    /**
     * Motion: the mask decoder segments a detection mask again; the result replaces the mask when their IoU is at least this.
     * Higher: masks stay closer to the detector. 0: masks are not segmented again.
     */
    redrawnIou: number;
    /**
     * Maximum area in pixels of holes that are filled, and of specks that are removed; specks larger than half of the mask
     * stay. The pixels are those of the mask grid; in the answer to a click of SAM 3's rules, those of the video.
     * Higher: smoother. 0: off.
     */
    fillHoleArea: number;
    /** The same area as a share of the mask grid; the larger of the two applies. */
    speckShare: number;
    /**
     * Distance from the piece that continues the last mask, in square roots of its area, beyond which other pieces of a tracked
     * mask are removed. Higher: more things of the same look are marked. Lower: parts behind an obstacle are lost. 0: off.
     */
    maxPieceGap: number;
    /** Each pixel of the video belongs to one object, the one with the highest tracking probability. */
    objectWiseNonOverlap: boolean;
  };
  /** Reconditioning: a detection corrects a track and becomes a conditioning memory. */
  recondition: {
    /**
     * Period, in frames, of corrections by detections that match the track. Higher: memory adapts to appearance later. 0:
     * never.
     */
    reconditionEveryNthFrame: number;
    /** Minimum detection score of a correction, and minimum object score logit (SAM 3). Higher: fewer corrections. */
    highConfThresh: number;
    /** Minimum mask IoU of a periodic correction. Higher: fewer corrections. */
    highIouThresh: number;
    /**
     * SAM 3: box IoU of track and detection below which the detection's mask is used. Higher: more corrections. 0: off.
     */
    reconstructionBboxIouThresh: number;
    /** SAM 3: minimum detection score of this correction. Higher: fewer corrections. */
    reconstructionBboxDetScore: number;
  };
  /** The memory bank of an object, and the selection of the memories that condition a frame. */
  memory: {
    /**
     * Score above which a tracked frame conditions other frames. Higher: only the best frames do. null: no selection by
     * score.
     */
    mfThreshold: number | null;
    /** Prefer frames on which the object was visible, up to this many frames back; null: the last frames. */
    seenWithin: number | null;
    /** `first-frame`: objects that were detected first on the same frame share a memory score and conditioning frames. */
    buckets: "first-frame" | "object";
    /** Precision of stored memories. */
    precision: "float32" | "bfloat16";
    /** Order of two conditioning frames at the same distance: the one added first, or the one earlier in the video. */
    conditioningTies: "added" | "earlier";
    /** The pointer window shrinks to the length of a shorter video. */
    pointerWindowFitsVideo: boolean;
    /** The initial mask of an object is thresholded after upscaling to the image. Off: before. */
    newObjectFine: boolean;
    /** A pass shows the stored mask on every conditioning frame. Off: frames corrected by detections are tracked again. */
    conditioningIsFinal: boolean;
    /** Maximum number of conditioning memories per object. 0: all. */
    conditioning: number;
    /** Maximum number of conditioning memories from corrections by detections. 0: all. */
    reconditioned: number;
    /**
     * Memories of tracked frames that are kept. `window`: those that can condition the next frame. `windows`: also those
     * around prompts and first frames, where a pass in the other direction begins. `all`: memory grows with the video.
     */
    tracked: "window" | "windows" | "all";
  };
  /** The effect of clicks on an object. */
  edit: {
    /**
     * Decode clicks on a tracked frame with memory (SAM 2) or without (SAM 3). Motion: only clicks on a frame on which the
     * object has no mask, and clicks that replace the earlier ones of a frame.
     */
    usePrevMemFrame: boolean;
    /**
     * Negative clicks alone on a frame that was not tracked refine the mask that is tracked to it. Off: as in SAM 3, they
     * are decoded without a mask.
     */
    excludesFromTracked: boolean;
    /**
     * Mask IoU of a prompt with the mask that was tracked to its frame below which the prompt overrules older prompts, unless
     * both show hardly anything of the object; see `corrections.ts`. Higher: more prompts count as corrections. 0: none does, as in SAM 3.
     */
    overruleIou: number;
    /** The first click on a detected object replaces it: its earlier memories are dropped. */
    useStatelessRefinement: boolean;
    /** Distance in frames around a click within which tracked memories are dropped, because they led to the error. */
    clearFrames: number;
    /**
     * Distance in frames around a click within which memories from detections are demoted: they are no longer conditioning
     * memories.
     */
    refinementDetectorCondFrameRemovalWindow: number;
    /** Drop the demoted memories. Off: keep them as memories of tracked frames. */
    demotedAreForgotten: boolean;
  };
  /** Use of earlier results by a propagation. */
  session: {
    /** After edits, a propagation tracks only the edited objects; without edits, it shows stored results. */
    propagationModes: boolean;
    /** The default start of a propagation: the first visited frame. Off: the first prompted frame. */
    startsAtVisited: boolean;
    /** Maximum number of frames whose masks are stored for `propagationModes`. 0: all. */
    cachedFrames: number;
  };
  /**
   * Behaviour that exists only to reproduce results of SAM 3 that its users reported as defects. `masklet` and `compact` set
   * every field to the corrected value.
   */
  sam3Parity: {
    /** Off: a click sets its object to unconfirmed, because SAM 3 writes the wrong value. */
    clickConfirms: boolean;
    /** Frames on which the detector did not run count as unsupported, which removes objects in sessions without a phrase. */
    countUnsearchedFrames: boolean;
    /** Off: the unsupported frames of a pass also count in the next pass. */
    resetHotstartPerPass: boolean;
    /** Off: in a backward pass, of two overlapping objects the one that was never occluded is hidden. */
    symmetricOcclusion: boolean;
    /** Tracking probability of an object that has none. 0: such an object loses all contested pixels. */
    unknownTrackerProb: number;
    /**
     * `shown`: boxes of the shown masks, right and bottom edges exclusive. `sam3`: boxes of the masks before pixels are
     * assigned to one object, with the last pixel as the edge.
     */
    boxes: "shown" | "sam3";
    /** Corrections by detections also replace the mask of a frame that the user prompted. */
    overrulesUser: boolean;
    /** Distance in frames around a click or a correction within which later clicks do not refine the stored masks. */
    clearMasksWindow: number;
    /** Clicks, and tracking of clicked objects, require visited frames. */
    clickNeedsVisitedFrame: boolean;
    /** A propagation in `fetch` mode shows unvisited frames without objects. Off: such a propagation is `full`. */
    showsUnknownFrames: boolean;
    /** When an object is removed before the first propagation, that propagation only shows stored results. */
    removalEndsTracking: boolean;
  };
  /**
   * Behaviour that exists only to reproduce the results of Hugging Face `transformers`, and is SAM 3's in all other presets.
   */
  transformersParity: {
    /** A phrase creates objects at once. Off: when a propagation visits the frame. */
    promptCreates: boolean;
    /** On a frame that removes an object, each object after it in the list has the mask of the object before it. */
    shiftsOnRemoval: boolean;
    /**
     * Memory of a corrected frame. `pointer`: the detection's pointer and the track's memory. `track`: both are the track's.
     */
    reconditionWith: "pointer" | "track";
    /** Every corrected frame shows the detection's mask. Off: only frames whose box was wrong. */
    showReconditioned: boolean;
    /** Pointers of the selected conditioning frames, or of all past ones. */
    conditioningPointers: "selected" | "past";
    /** Detection logit above which a pixel belongs to the initial mask of an object. Higher: tighter masks. */
    newObjectLogit: number;
    /**
     * On frames that create objects, all tracked objects are remembered again with their predicted masks, before any edits.
     */
    retrackOnBirth: boolean;
    /** A click refines the stored mask of the frame. */
    previousMask: boolean;
    /** A corrected frame stays a conditioning frame. Off: it is a tracked frame until it is tracked again. */
    correctionIsConditioning: boolean;
    /** Maximum number of points per frame that the model receives: the first and the last half. 0: all. */
    maxPoints: number;
    /** Without concepts, objects are tracked independently: overlap, occlusion and hot-start rules do not apply. */
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
