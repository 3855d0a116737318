/** One object on one frame, from the tracker's first guess to what is shown and remembered. */
import type { Detection } from "../detector/detect.js";
import { type MaskBits, maskBits } from "../detector/mask-bits.js";
import type { MemoryEntry } from "../memory/bank.js";
import type { Masklet } from "./masklet.js";
import type { Prediction } from "./model.js";
import type { Claim } from "./motion/suppression.js";

/** Object score logit of a mask that is taken as truth. */
export const CERTAIN = 10;

export interface Observation {
  readonly masklet: Masklet;
  /** What the object is known to be on this frame from a prompt or its birth; null when it was tracked. */
  stored: MemoryEntry | null;
  /** The tracker's answer; null for a stored or a new object. */
  readonly prediction: Prediction | null;
  /** The detection that belongs to it. */
  detection: Detection | null;
  /** Overlap of tracked mask and detection. */
  agreement: number;
  /** The detection might as well be another object. */
  contested: boolean;
  /** The mask is not the one that the tracker's pointer describes. */
  replaced: boolean;
  /** float32 [m, m]: the mask as it stands. */
  maskLogits: Float32Array;
  bits: MaskBits;
  /** How this frame is to be remembered. */
  kind: MemoryEntry["kind"];
}

export function storedObservation(masklet: Masklet, entry: MemoryEntry): Observation {
  return { ...blankObservation(masklet, entry.maskLogits), stored: entry, kind: entry.kind };
}

export function trackedObservation(
  masklet: Masklet,
  prediction: Prediction,
  maskLogits: Float32Array,
): Observation {
  return { ...blankObservation(masklet, maskLogits), prediction };
}

export function newObservation(masklet: Masklet, detection: Detection): Observation {
  return { ...blankObservation(masklet, detection.maskLogits), detection, agreement: 1, kind: "born" };
}

function blankObservation(masklet: Masklet, maskLogits: Float32Array): Observation {
  return {
    masklet,
    stored: null,
    prediction: null,
    detection: null,
    agreement: 0,
    contested: false,
    replaced: false,
    maskLogits,
    bits: maskBits(maskLogits),
    kind: "recent",
  };
}

export function setMask(observation: Observation, maskLogits: Float32Array): void {
  if (observation.maskLogits === maskLogits) return;
  observation.maskLogits = maskLogits;
  observation.bits = maskBits(maskLogits);
}

/** Gives each object in `swaps` what another one was taken for. */
export function swapObservations(
  observations: readonly Observation[],
  swaps: ReadonlyMap<number, number>,
): void {
  const views = new Map(
    observations.map(({ masklet, detection, maskLogits, bits }) => [
      masklet.id,
      { detection, maskLogits, bits },
    ]),
  );
  for (const observation of observations) {
    const source = swaps.get(observation.masklet.id);
    if (source !== undefined) Object.assign(observation, views.get(source), { replaced: true });
  }
}

/** Object score logit of this frame; 0 for a new object, which nobody has scored. */
export function scoreOf({ stored, prediction }: Observation): number {
  return stored?.score ?? prediction?.score ?? 0;
}

export function isVisible(observation: Observation): boolean {
  return observation.bits.area > 0;
}

export function toClaim({ masklet, stored, detection, maskLogits, bits }: Observation): Claim {
  return {
    objectId: masklet.id,
    group: masklet.conceptKey,
    maskLogits,
    bits,
    supported: stored !== null || detection !== null,
    owned: masklet.owned,
    seen: masklet.state === "seen",
    hiddenFrame: masklet.hiddenFrame,
    age: masklet.age,
  };
}
