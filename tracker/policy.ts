/**
 * Every threshold of the detect-and-track loop in one place. A pack's manifest sets a few of them; the rest are the
 * defaults below, with SAM 3's own number in the comment where ours differs.
 */

export interface TrackerPolicy {
  /** Which detections count. */
  detect: {
    /** Score above which something is a detection. Higher: fewer false alarms. Lower: fewer misses. */
    score: number;
    /** Score a detection needs to become a new object on a frame nobody prompted. Higher: later births, fewer ghosts. */
    newObjectScore: number;
    /** Mask IoU two detections of one concept may have. Higher: touching things survive. Lower: fewer doubles. */
    nmsIou: number;
    /** Share of the smaller of two masks that may lie in the other. Higher: parts survive beside their whole. 1: off. */
    nmsCovered: number;
    /** Mask IoU from which detections (or objects) of different concepts are one thing. Higher: more doubles. */
    sameThingIou: number;
    /** Detect on every n-th frame. Higher: faster, but new things appear later and crossings are judged less often. */
    everyNthFrame: number;
    /** What stands in for the words of a concept that was only shown; null for no words. SAM 3: "visual". */
    exemplarPhrase: string | null;
    /** Boxes of its own tracked objects that a shown concept is searched with on later frames. 0: prompted frame only. */
    selfExemplars: number;
    /** Make an object of a positive exemplar box in which nothing was detected. */
    exemplarIsInstance: boolean;
  };
  /** Which detection belongs to which object. */
  associate: {
    /** Mask IoU that ties a detection to an object, so that it is no new one. Higher: more births. */
    minIou: number;
    /** Mask IoU from which the tracked mask and the detection agree. Higher: detections overrule tracks more often. */
    agreeIou: number;
    /** Weight of motion against mask overlap, 0..1. Higher: look-alikes cross safely. Lower: sudden turns are followed. */
    motionWeight: number;
    /** Motion agreement (0..1) that ties a detection to an object when their masks do not meet. Lower: ids jump sooner. */
    minMotion: number;
    /** Affinity lead below which it is unclear which of two objects a detection is. Higher: motion is frozen longer. */
    clearLead: number;
    /** Frames after losing an object during which it still contests a detection. Higher: longer crossings, slower turns. */
    contestFrames: number;
    /** How much better, in object sizes, look-alikes that come apart must fit their earlier motion when swapped. */
    swapLead: number;
    /** Weight of appearance (cosine of pointers) in that decision, in object sizes. Higher: turning back is understood. */
    appearanceWeight: number;
    /** What a lost object's affinity is lowered by. Higher: the object that is being seen keeps the detection. */
    lostHandicap: number;
    /** Frames for which a lost object is looked for where its motion leads. Higher: longer gaps, more mix-ups. */
    relinkFrames: number;
    /** How far from there, in object sizes. Higher: sudden turns are survived, new things may inherit old ids. */
    relinkSizes: number;
    /** How many times larger it may have become. Higher: things that come closer unseen are recognised. */
    relinkSizeRatio: number;
  };
  /** How positions are extrapolated. */
  motion: {
    /** Share of a position error that is corrected at once. Higher: livelier, noisier. */
    positionGain: number;
    /** Share of it that changes the velocity, once settled. Higher: turns are learnt sooner, noise too. */
    velocityGain: number;
    /** The same while two objects touch, when masks cut each other. */
    contactVelocityGain: number;
    /** Share of a size change that is believed at once. */
    sizeGain: number;
    /** Width ratio times height ratio below which a mask is taken to be partly hidden. Higher: more is distrusted. */
    wholeRatio: number;
    /** Frames of pure extrapolation after which the mask is believed whatever it looks like. */
    coastFrames: number;
    /** Growth of the search radius per unseen frame, in object sizes. */
    spreadPerFrame: number;
  };
  /** How objects are born, hidden and let go. Prompted objects are only ever ended by the user. */
  life: {
    /** First frames of a detected object during which it must prove itself. Higher: ghosts are caught later in life. */
    probationFrames: number;
    /** Unsupported frames in that time that end it, if they are the larger part. Higher: more patience. */
    probationUnsupported: number;
    /** Supported frames before an object born on an unprompted frame is shown. Higher: fewer flashes, later arrival. */
    confirmFrames: number;
    /** Credit of supported frames; each unsupported one costs one. Higher: unsupported tracks are shown longer. */
    keepAlive: number;
    /** Hide tracks whose credit is used up. SAM 3: false. */
    hideUnsupported: boolean;
    /**
     * What is reported as a detected object's probability: its best detection so far, or the one it was born with. A thing
     * that comes into the picture bit by bit is born of a poor one. SAM 3: "birth".
     */
    probability: "best" | "birth";
    /** Unseen frames after which the model no longer searches for a detected object. Higher: slower, later returns. */
    lostFrames: number;
    /** Objects at once. Further detections are refused and counted. */
    maxObjects: number;
    /** Given-up objects whose id is remembered for another pass. */
    maxDormant: number;
  };
  /** What happens when masks claim the same pixels. */
  overlap: {
    /** Mask IoU from which two objects follow the same thing. SAM 3: 0.7. Lower: sooner declared hidden. */
    duplicateIou: number;
    /** Share of an unsupported mask inside a supported one that says the same. */
    duplicateCovered: number;
    /** Give each pixel to one object of a concept. */
    exclusive: boolean;
    /** The same among objects made by clicks and boxes; off lets "shirt" and "person" overlap. SAM 3: true. */
    exclusivePrompted: boolean;
    /** Share of its pixels an unsupported object must keep, or it counts as hidden. */
    minKept: number;
  };
  /** What a shown mask is made of. */
  mask: {
    /** For a detected object with a matching detection: the tracker's mask, or the detection's. SAM 3: "track". */
    source: "track" | "detection-when-matched";
    /** Detection score from which its mask is used. */
    detectionScore: number;
    /** Holes and specks up to this share of the mask grid are cleaned. SAM 3: 16 of 288 x 288 pixels. */
    speckShare: number;
  };
  /** When a track is corrected with a detection and remembers that for good. */
  recondition: {
    /** Every n-th frame, if a confident detection agrees. 0: never. */
    everyNthFrame: number;
    /** Detection score needed. */
    score: number;
    /** Mask IoU needed for the periodic rule. */
    agreeIou: number;
    /** Frames between corrections because of disagreement. */
    pauseFrames: number;
  };
  /** How much is asked of the model at once. */
  compute: {
    /** Objects per call of `track`. Higher: a little faster, and memory attention takes that much more room. */
    objectsPerCall: number;
  };
  /** What an object remembers. */
  memory: {
    /** Prefer frames on which the object was seen, looking back at most so many; null: the last frames as they are. */
    seenWithin: number | null;
    /** Predicted mask quality below which a tracked frame is not remembered. Higher: less drift, slower adaptation. */
    minIou: number;
    /** Conditioning memories kept per object. */
    conditioning: number;
    /** Of those, corrections by the detector. */
    reconditioned: number;
  };
  /** What clicks do to an object that is already tracked. */
  edit: {
    /** Decode clicks on a later frame with memory (SAM 2) or without (SAM 3). */
    useMemory: boolean;
    /** Tracked frames around a click that are forgotten, because they led to the mistake. */
    clearFrames: number;
    /** Detector-made conditioning memories around a click that are forgotten. */
    demoteFrames: number;
    /** Clicks per frame that the model is given: the first and the last half of these. */
    maxPoints: number;
  };
}

export const defaultPolicy: TrackerPolicy = {
  detect: {
    score: 0.5,
    newObjectScore: 0.7,
    nmsIou: 0.1,
    nmsCovered: 0.8,
    sameThingIou: 0.6,
    everyNthFrame: 1,
    exemplarPhrase: null,
    selfExemplars: 3,
    exemplarIsInstance: true,
  },
  associate: {
    minIou: 0.1,
    agreeIou: 0.5,
    motionWeight: 0.5,
    minMotion: 0.5,
    clearLead: 0.1,
    contestFrames: 30,
    swapLead: 0.5,
    appearanceWeight: 1,
    lostHandicap: 0.05,
    relinkFrames: 60,
    relinkSizes: 1.5,
    relinkSizeRatio: 3,
  },
  motion: {
    positionGain: 0.8,
    velocityGain: 0.25,
    contactVelocityGain: 0.05,
    sizeGain: 0.2,
    wholeRatio: 0.8,
    coastFrames: 30,
    spreadPerFrame: 0.04,
  },
  life: {
    probationFrames: 15,
    probationUnsupported: 8,
    confirmFrames: 1,
    keepAlive: 30,
    hideUnsupported: true,
    probability: "best",
    lostFrames: 300,
    maxObjects: 64,
    maxDormant: 64,
  },
  overlap: {
    duplicateIou: 0.6,
    duplicateCovered: 0.8,
    exclusive: true,
    exclusivePrompted: false,
    minKept: 0.3,
  },
  mask: { source: "detection-when-matched", detectionScore: 0.5, speckShare: 5e-4 },
  recondition: { everyNthFrame: 16, score: 0.8, agreeIou: 0.8, pauseFrames: 8 },
  compute: { objectsPerCall: 8 },
  memory: { seenWithin: 30, minIou: 0, conditioning: 16, reconditioned: 3 },
  edit: { useMemory: true, clearFrames: 7, demoteFrames: 16, maxPoints: 16 },
};

export type PolicyOverrides = { [Group in keyof TrackerPolicy]?: Partial<TrackerPolicy[Group]> };

/** What a manifest says about detections; field names as in the manifest. */
export interface ManifestDetect {
  scoreThreshold: number;
  nmsIou: number;
  newObjectScore: number;
}

/** Defaults, then the pack's manifest, then the overrides. */
export function resolvePolicy(overrides: PolicyOverrides = {}, manifest?: ManifestDetect): TrackerPolicy {
  const fromManifest: PolicyOverrides = manifest
    ? {
        detect: {
          score: manifest.scoreThreshold,
          nmsIou: manifest.nmsIou,
          newObjectScore: manifest.newObjectScore,
        },
      }
    : {};
  const policy = structuredClone(defaultPolicy);
  for (const layer of [fromManifest, overrides]) {
    for (const [group, values] of Object.entries(layer))
      Object.assign(policy[group as keyof TrackerPolicy], values);
  }
  return policy;
}
