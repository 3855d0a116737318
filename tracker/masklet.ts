/** One tracked object and its life cycle: created by a prompt or a detection, seen or lost, dormant or deleted. */
import type { BoxXywh } from "../detector/geometry.js";
import type { MemoryBank } from "../memory/bank.js";
import type { Motion } from "./motion/motion-model.js";
import type { TrackerPolicy } from "./policy.js";

/** First frames of a detected object, during which lack of support ends it. Higher: false objects end later. Lower: fewer end. */
const PROBATION_FRAMES = 15;

/** Unsupported frames on probation that end an object, if they outnumber the supported ones. Higher: false objects stay longer. */
const MAX_UNSUPPORTED_ON_PROBATION = 8;

/** Frames without a mask after which the model stops searching for a detected object. Higher: later returns, at more cost. */
export const MAX_LOST_FRAMES = 300;

/** The user's clicks and box on one object on one frame. */
export interface PromptState {
  points: readonly (readonly [x: number, y: number])[];
  labels: readonly (0 | 1)[];
  box?: BoxXywh;
}

/**
 * Frames per object whose clicks are kept; each new frame drops the clicks of the frame that was clicked first. Higher:
 * later clicks on old frames still add to the earlier ones, at the cost of memory.
 */
export const MAX_PROMPTED_FRAMES = 256;

/**
 * `seen`: it has a mask on the frame visited last. `lost`: it has none, but the tracker searches for it. `dormant`: it was
 * lost for so long that the tracker no longer searches for it in this pass.
 */
export type MaskletState = "seen" | "lost" | "dormant";

export interface Masklet {
  readonly id: number;
  /** Concept that found it; null for an object made by clicks or a box. */
  readonly conceptKey: number | null;
  /** The reported probability: a detection score, see `life.probability`; 1 for an object with clicks or a box. */
  prob: number;
  readonly bornFrame: number;
  /** Objects of one bucket share a memory score and their conditioning frames; see `memory.buckets` of the policy. */
  readonly bucket: string;
  readonly bank: MemoryBank;
  /** By frame index; changed by {@link keepPrompt}. */
  readonly prompts: Map<number, PromptState>;
  /** The user created or corrected it: detections neither change nor end it. */
  owned: boolean;
  /** The user removed it. It stays as a placeholder, so that the detector does not find it again as a new object. */
  excluded: boolean;
  state: MaskletState;
  motion: Motion | null;
  /** Consecutive frames without a mask. */
  lostFrames: number;
  /** Frames with a detection. */
  supported: number;
  /** Frames on probation without a detection. */
  unsupported: number;
  /** Frames with a detection whose score is high enough for a new object, including the first. */
  sure: number;
  /** Frames of the object's passes; the probation covers the first ones. */
  age: number;
  /** Only confirmed objects are shown; see `life.confirmFrames`. */
  confirmed: boolean;
  /** Keep-alive credit; unsupported frames use it up. */
  keepAlive: number;
  /** The last frame of this pass without a mask; null when there is none. */
  hiddenFrame: number | null;
  /** The frame of the last correction by a detection, or of the birth. */
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
    state: "seen",
    lostFrames: 0,
    supported: 1,
    unsupported: 0,
    sure: 1,
    age: 0,
    keepAlive: life.initTrkKeepAlive,
    hiddenFrame: null,
    reconditionedFrame: init.bornFrame,
  };
}

/** Keeps the clicks and the box of a frame, which later clicks on the frame add to. */
export function keepPrompt(
  { prompts }: Pick<Masklet, "prompts">,
  frameIndex: number,
  prompt: PromptState,
): void {
  prompts.delete(frameIndex);
  prompts.set(frameIndex, prompt);
  for (const oldest of prompts.keys()) {
    if (prompts.size <= MAX_PROMPTED_FRAMES) break;
    prompts.delete(oldest);
  }
}

/** One object on one frame, for its life cycle. */
export interface Witness {
  frameIndex: number;
  /** It has a mask. */
  visible: boolean;
  /** The detector searched for its concept: a missing detection counts as lack of support. */
  searched: boolean;
  /** It has a detection. */
  detected: boolean;
  /** It has a detection whose score is high enough for a new object. */
  sure: boolean;
}

/**
 * Updates the life cycle of an object with one frame.
 * @returns whether the object stays; an object that is mostly undetected on probation is deleted
 */
export function updateLifecycle(masklet: Masklet, witness: Witness, life: TrackerPolicy["life"]): boolean {
  const unsupported = witness.searched && !witness.detected && witness.visible;
  masklet.lostFrames = witness.visible ? 0 : masklet.lostFrames + 1;
  masklet.state = witness.visible ? "seen" : "lost";
  if (!witness.visible) masklet.hiddenFrame = witness.frameIndex;
  if (witness.detected) masklet.keepAlive = Math.min(life.maxTrkKeepAlive, masklet.keepAlive + 1);
  else if (unsupported) masklet.keepAlive = Math.max(life.minTrkKeepAlive, masklet.keepAlive - 1);

  const onProbation = masklet.age++ < PROBATION_FRAMES;
  if (witness.detected) masklet.supported++;
  if (unsupported && onProbation) masklet.unsupported++;
  if (witness.sure) masklet.sure++;
  if (masklet.sure >= life.confirmFrames) masklet.confirmed = true;
  if (masklet.owned) return true;

  if (!witness.visible && masklet.lostFrames > MAX_LOST_FRAMES) {
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
 * @param inSight whether it was seen on the first frame of the pass or next to it
 */
export function startPass(
  masklet: Masklet,
  motion: Motion | null,
  inSight: boolean,
  life: TrackerPolicy["life"],
): void {
  masklet.motion = motion;
  masklet.state = inSight ? "seen" : "lost";
  masklet.lostFrames = 0;
  masklet.keepAlive = life.initTrkKeepAlive;
  masklet.hiddenFrame = null;
  // An object that has been through a pass is not on probation again.
  if (masklet.age > 0) masklet.age = Math.max(masklet.age, PROBATION_FRAMES);
}
