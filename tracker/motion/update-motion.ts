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

/** Updates the motion of every object with its mask on this frame. */
export function updateMotion(
  parts: TrackerParts,
  frameIndex: number,
  observations: readonly Observation[],
): void {
  const updated = observations.map((observation) => {
    const { motion, owned } = observation.masklet;
    const extent = maskExtent(observation.maskLogits, parts.geometry.m);
    if (!extent) return motion;
    if (!motion) return startMotion(extent, frameIndex);
    const touched = touchesAnother(frameIndex, observation, observations);
    const isTrusted = observation.detection !== null || observation.stored !== null || owned;
    const isUnreliable = observation.contested || (touched && !isTrusted);
    const quality = isUnreliable ? "unreliable" : touched ? "cut" : "whole";
    return measure(motion, extent, frameIndex, quality);
  });
  observations.forEach(({ masklet }, index) => {
    masklet.motion = updated[index] ?? null;
  });
}
