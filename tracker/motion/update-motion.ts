/** Updates the motion of the observed objects. */
import { maskExtent } from "../../detector/mask-bits.js";
import type { Observation } from "../observation.js";
import type { TrackerParts } from "../parts.js";
import { CONTEST_FRAMES } from "./association.js";
import { framesUnseen, inContact, measure, predict, startMotion } from "./motion-model.js";

/**
 * Whether the predicted boxes of this object and of another recently observed object touch, so that one may cover part of
 * the other.
 */
export function touchesAnother(
  frameIndex: number,
  { masklet }: Observation,
  observations: readonly Observation[],
): boolean {
  if (!masklet.motion) return false;
  const own = predict(masklet.motion, frameIndex);
  return observations.some(({ masklet: { id, motion } }) => {
    if (id === masklet.id || !motion) return false;
    if (framesUnseen(motion, frameIndex) > CONTEST_FRAMES) return false;
    return inContact(own, predict(motion, frameIndex));
  });
}

/**
 * IoU of a tracked mask and its detection from which both show the whole object. Higher: fewer masks are divided while objects
 * touch. Lower: the mask of a part of an object counts as whole.
 */
const WHOLE_IOU = 0.7;

/** Updates the motion of every object with its mask on this frame. */
export function updateMotion(
  parts: TrackerParts,
  frameIndex: number,
  observations: readonly Observation[],
): void {
  const updated = observations.map((observation) => {
    const { masklet, detection, agreement } = observation;
    const { motion, owned } = masklet;
    const extent = maskExtent(observation.maskLogits, parts.geometry.m);
    if (!extent) return motion;
    const last = { area: observation.bits.area, frameIndex };
    if (!motion) return { ...startMotion(extent, frameIndex), last };
    const touched = touchesAnother(frameIndex, observation, observations);
    const isTrusted = detection !== null || observation.stored !== null || owned;
    const isUnreliable = observation.contested || (touched && !isTrusted);
    const quality = isUnreliable ? "unreliable" : touched ? "cut" : "whole";
    const isWhole = detection !== null && !detection.isPart && agreement >= WHOLE_IOU;
    const outline = isWhole ? observation.maskLogits : null;
    return { ...measure(motion, extent, frameIndex, quality, outline), last };
  });
  observations.forEach(({ masklet }, index) => {
    masklet.motion = updated[index] ?? null;
  });
}
