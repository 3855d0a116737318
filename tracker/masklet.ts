/** One tracked object and its life cycle: created by a prompt or a detection, seen or lost, dormant or deleted. */
import type { BoxXywh } from "../detector/geometry.js";
import type { MemoryBank } from "../memory/bank.js";
import type { CocoRle } from "../protocol/rle.js";
import type { FrameSet } from "./frame-set.js";
import type { Motion } from "./motion/motion-model.js";
import type { TrackerPolicy } from "./policy.js";

/**
 * Length of the probation of a detected object, in frames. An object that is mostly undetected on probation is deleted.
 * Higher: more false positives are deleted, and more objects that are hard to detect. Lower: fewer of both.
 */
const PROBATION_FRAMES = 15;

/**
 * Frames on probation without a detection that delete an object, if they outnumber the frames with one. Higher: false
 * positives stay longer.
 */
const MAX_UNSUPPORTED_ON_PROBATION = 8;

/**
 * Frames without a mask after which a detected object is no longer tracked. Higher: objects can reappear later, at a higher
 * cost per frame.
 */
export const MAX_LOST_FRAMES = 300;

/** The user's prompt for one object on one frame: clicks, a box, or a mask, which clicks may refine. */
export interface PromptState {
  points: readonly (readonly [x: number, y: number])[];
  labels: readonly (0 | 1)[];
  box?: BoxXywh;
  /** A mask at the size of the video. The frame shows exactly this mask. */
  mask?: CocoRle;
  /** The clicks refine a mask that the user gave for the frame. */
  refinesMask?: true;
}

export interface KeptPrompt extends PromptState {
  /** The mask that the clicks or the box resulted in, on the mask grid; absent for an empty one. */
  drawn?: CocoRle;
  /** The prompt contradicted the track: older prompts do not condition the frames around it; see `corrections.ts`. */
  overrules?: true;
}

/**
 * Frames per object whose prompts are kept. Beyond it, the prompt of the frame that was prompted longest ago is dropped.
 * Higher: new clicks on old frames are added to the earlier ones there, and a pass shows the masks of these frames again, at
 * the cost of memory.
 */
export const MAX_PROMPTED_FRAMES = 256;

/** A mask that the user locked, or gave as a prompt, on one frame: every pass shows exactly this mask. */
export interface LockedMask {
  /** At the size of the video. */
  readonly mask: CocoRle;
  readonly prob: number;
}

/** Where an object had a mask last, relative to the frame. */
export interface Sight {
  readonly frameIndex: number;
  /** Centre of the mask, 0..1. */
  readonly x: number;
  readonly y: number;
  /** Share of the frame, 0..1. */
  readonly area: number;
  /** Change of the centre per frame. */
  readonly speed: readonly [x: number, y: number];
  /** Frames of this pass on which it was tracked since then and had no mask. */
  readonly hiddenFrames: number;
}

/**
 * `seen`: the object has a mask on the frame visited last. `lost`: it has none, and is still tracked. `dormant`: it was lost
 * for more than {@link MAX_LOST_FRAMES} frames, and is not tracked until the next pass.
 */
export type MaskletState = "seen" | "lost" | "dormant";

export interface Masklet {
  readonly id: number;
  /** Key of the concept that detected it; null for an object created by clicks or a box. */
  readonly conceptKey: number | null;
  /** The reported probability: a detection score, see `life.probability`; 1 for an object with clicks or a box. */
  prob: number;
  /** The frame on which it was created. */
  readonly bornFrame: number;
  /** Objects of one bucket share a memory score and their conditioning frames; see `memory.buckets` of the policy. */
  readonly bucket: string;
  readonly bank: MemoryBank;
  /** Prompts of the user by frame index; changed by {@link keepPrompt}. */
  readonly prompts: Map<number, KeptPrompt>;
  /** The user created or corrected it with clicks or a box: detections neither change nor delete it. */
  owned: boolean;
  /** The user removed it. It stays as a hidden placeholder, so that its detections do not create a new object. */
  excluded: boolean;
  /** Locked masks by frame index; see `edits/locks.ts`. Never changed in place. */
  locks: ReadonlyMap<number, LockedMask>;
  /** Frames on which the user marked the object absent; see `edits/absence.ts`. */
  absent: FrameSet;
  /**
   * Frames from which on the object has another identity than before, because the user swapped it; ascending. Memories on one
   * side of such a frame do not condition the other side; see `edits/sides.ts`. Never changed in place.
   */
  cuts: readonly number[];
  /** Where it was shown last, on any frame; null: not yet. Only for the states of the output. */
  sight: Sight | null;
  state: MaskletState;
  motion: Motion | null;
  /** Consecutive frames without a mask. */
  lostFrames: number;
  /** Frames with a detection. */
  supported: number;
  /** Frames on probation without a detection. */
  unsupported: number;
  /** Frames with a detection whose score is high enough for a new object, including the first frame. */
  confident: number;
  /** Number of frames on which it was tracked, over all passes; the probation covers the first ones. */
  age: number;
  /** Only confirmed objects are shown; see `life.confirmFrames`. */
  confirmed: boolean;
  /** Keep-alive credit; unsupported frames use it up. */
  keepAlive: number;
  /** The last frame of this pass without a mask; null when there is none. */
  hiddenFrame: number | null;
  /** The frame of the last correction by a detection, or the frame on which it was created. */
  reconditionedFrame: number;
}

export function createMasklet(
  init: Pick<Masklet, "id" | "conceptKey" | "prob" | "bornFrame" | "bank" | "motion"> & {
    confirmed: boolean;
    bucket?: string;
  },
  life: TrackerPolicy["life"],
): Masklet {
  return {
    bucket: `object ${init.id}`,
    ...init,
    prompts: new Map(),
    owned: init.conceptKey === null,
    excluded: false,
    locks: new Map(),
    absent: [],
    cuts: [],
    sight: null,
    state: "seen",
    lostFrames: 0,
    supported: 1,
    unsupported: 0,
    confident: 1,
    age: 0,
    keepAlive: life.initTrkKeepAlive,
    hiddenFrame: null,
    reconditionedFrame: init.bornFrame,
  };
}

/** Stores the prompt of a frame, to which later clicks on the frame are added. */
export function keepPrompt(
  { prompts }: Pick<Masklet, "prompts">,
  frameIndex: number,
  prompt: KeptPrompt,
): void {
  prompts.delete(frameIndex);
  prompts.set(frameIndex, prompt);
  for (const oldest of prompts.keys()) {
    if (prompts.size <= MAX_PROMPTED_FRAMES) break;
    prompts.delete(oldest);
  }
}

/** The facts about one object on one frame that update its life cycle. */
export interface LifecycleFacts {
  frameIndex: number;
  /** The object has a mask. */
  visible: boolean;
  /** The detector ran for its concept, so that a missing detection is evidence of a false positive. */
  searched: boolean;
  /** A detection is associated with it. */
  detected: boolean;
  /** The score of that detection is high enough for a new object. */
  confident: boolean;
}

/**
 * Updates the life cycle of an object with one frame.
 * @returns false when the object must be deleted, because it was mostly undetected on probation
 */
export function updateLifecycle(
  masklet: Masklet,
  facts: LifecycleFacts,
  life: TrackerPolicy["life"],
): boolean {
  const unsupported = facts.searched && !facts.detected && facts.visible;
  masklet.lostFrames = facts.visible ? 0 : masklet.lostFrames + 1;
  masklet.state = facts.visible ? "seen" : "lost";
  if (!facts.visible) masklet.hiddenFrame = facts.frameIndex;
  if (facts.detected) masklet.keepAlive = Math.min(life.maxTrkKeepAlive, masklet.keepAlive + 1);
  else if (unsupported) masklet.keepAlive = Math.max(life.minTrkKeepAlive, masklet.keepAlive - 1);

  const onProbation = masklet.age++ < PROBATION_FRAMES;
  if (facts.detected) masklet.supported++;
  if (unsupported && onProbation) masklet.unsupported++;
  if (facts.confident) masklet.confident++;
  if (masklet.confident >= life.confirmFrames) masklet.confirmed = true;
  if (masklet.owned || masklet.locks.size > 0) return true;

  if (!facts.visible && masklet.lostFrames > MAX_LOST_FRAMES) {
    masklet.state = "dormant";
    masklet.bank.condense();
  }
  const isFalse =
    onProbation &&
    masklet.unsupported >= MAX_UNSUPPORTED_ON_PROBATION &&
    masklet.unsupported > masklet.supported;
  return !isFalse;
}

/** Whether the object is part of the output on frames on which it has a mask. */
export function isShown(masklet: Masklet, life: TrackerPolicy["life"]): boolean {
  if (masklet.excluded) return false;
  if (masklet.owned) return true;
  return masklet.confirmed && !(!life.suppressUnmatchedOnlyWithinHotstart && masklet.keepAlive <= 0);
}

/**
 * Resets the state that belongs to one pass; identity and memory stay.
 * @param isSeen whether the object has a mask on the first frame of the pass or on a frame next to it
 */
export function startPass(
  masklet: Masklet,
  motion: Motion | null,
  isSeen: boolean,
  life: TrackerPolicy["life"],
): void {
  masklet.motion = motion;
  masklet.state = isSeen ? "seen" : "lost";
  masklet.lostFrames = 0;
  masklet.keepAlive = life.initTrkKeepAlive;
  masklet.hiddenFrame = null;
  // An object that has been through a pass is not on probation again.
  if (masklet.age > 0) masklet.age = Math.max(masklet.age, PROBATION_FRAMES);
}
