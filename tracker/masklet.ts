/** One identity and its life: born from a prompt or a detection, seen or lost, given up or removed. */
import type { BoxXywh } from "../detector/geometry.js";
import type { MemoryBank } from "../memory/bank.js";
import type { Motion } from "./motion/motion-model.js";
import type { TrackerPolicy } from "./policy.js";

/** First frames of a detected object, during which lack of support ends it. Higher: ghosts end at a later age. Lower: fewer do. */
const PROBATION_FRAMES = 15;

/** Unsupported frames on probation that end an object, if they outnumber the supported ones. Higher: more patience, more ghosts. */
const MAX_UNSUPPORTED_ON_PROBATION = 8;

/** Frames without a mask after which the model stops searching for a detected object. Higher: later returns, at more cost. */
export const MAX_LOST_FRAMES = 300;

/** What the user said about one object on one frame. */
export interface PromptState {
  points: readonly (readonly [x: number, y: number])[];
  labels: readonly (0 | 1)[];
  box?: BoxXywh;
}

/**
 * `seen`: it has a mask on the frame visited last. `lost`: it has none, but is searched for. `dormant`: it was lost for so
 * long that the model no longer searches for it in this pass.
 */
export type MaskletState = "seen" | "lost" | "dormant";

export interface Masklet {
  readonly id: number;
  /** Concept that found it; null for an object made by clicks or a box. */
  readonly conceptKey: number | null;
  /** What the wire reports as its probability: a detection score, see `life.probability`; 1 once the user touched it. */
  prob: number;
  readonly bornFrame: number;
  /** Objects of one bucket share a memory score and which frames condition; see `memory.buckets` of the policy. */
  readonly bucket: string;
  readonly bank: MemoryBank;
  /** By frame index. */
  readonly prompts: Map<number, PromptState>;
  /** The user owns it: detections neither change nor end it. */
  owned: boolean;
  /** The user removed it. It stays as a place holder, so that the detector does not find it again as something new. */
  excluded: boolean;
  state: MaskletState;
  motion: Motion | null;
  /** Frames without a mask, in a row. */
  lostFrames: number;
  /** Frames of its probation with and without a detection behind it. */
  supported: number;
  unsupported: number;
  /** Frames with a detection that was good enough for a new object, the one it was born of included. */
  sure: number;
  /** Age in frames, counted until the probation is over. */
  age: number;
  /** Shown at all; see `life.confirmFrames`. */
  confirmed: boolean;
  /** Credit that unsupported frames use up. */
  keepAlive: number;
  /** The frame on which it was hidden last; null if never in this pass. */
  hiddenFrame: number | null;
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

/** What a frame showed of an object. */
export interface Witness {
  frameIndex: number;
  /** It has a mask. */
  visible: boolean;
  /** Its concept was looked for on this frame: not being detected then means something. */
  searched: boolean;
  /** A detection is behind it. */
  detected: boolean;
  /** One that would have been good enough for a new object. */
  sure: boolean;
}

/**
 * One frame in the life of an object.
 * @returns whether it stays; an object on probation that mostly nobody detects was a ghost
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
  const isGhost =
    onProbation &&
    masklet.unsupported >= MAX_UNSUPPORTED_ON_PROBATION &&
    masklet.unsupported > masklet.supported;
  return !isGhost;
}

/** Whether the user gets to see it when it has a mask. */
export function isShown(masklet: Masklet, life: TrackerPolicy["life"]): boolean {
  if (masklet.excluded) return false;
  if (masklet.owned) return true;
  return masklet.confirmed && !(!life.suppressUnmatchedOnlyWithinHotstart && masklet.keepAlive <= 0);
}

/**
 * Everything that belongs to one direction of travel starts again; identity and memory stay.
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
  // Whoever has been through a pass already has proved itself or not: the ghost test is not repeated.
  if (masklet.age > 0) masklet.age = Math.max(masklet.age, PROBATION_FRAMES);
}
