/** Corrects tracks with confident detections, whose masks become conditioning memories. */
import { cleanMask } from "../masks/clean.js";
import { type Observation, setMask } from "../observation.js";
import type { TrackerParts } from "../parts.js";
import type { TrackerPolicy } from "../policy.js";
import { touchesAnother } from "./update-motion.js";

/** Frames between corrections of tracks that disagree with their detections. Higher: fewer corrections. Lower: quicker ones. */
const PAUSE_FRAMES = 8;

export interface Agreement {
  frameIndex: number;
  /** The frame of the last correction, or on which the object was created. */
  lastFrame: number;
  detectionScore: number;
  /** IoU of the tracked mask and the detection. */
  maskIou: number;
}

/**
 * Whether a confident detection corrects a track: periodically where the two agree, as in SAM 3, so that memory follows
 * changes of appearance; and where they disagree, so that the error does not persist.
 */
export function shouldRecondition(
  { frameIndex, lastFrame, detectionScore, maskIou }: Agreement,
  rules: TrackerPolicy["recondition"],
  disagreeIou: number,
): boolean {
  if (
    rules.reconditionEveryNthFrame === 0 ||
    detectionScore < rules.highConfThresh ||
    frameIndex === lastFrame
  )
    return false;
  if (maskIou < disagreeIou) return Math.abs(frameIndex - lastFrame) >= PAUSE_FRAMES;
  return frameIndex % rules.reconditionEveryNthFrame === 0 && maskIou >= rules.highIouThresh;
}

/**
 * Replaces the masks of the tracks to correct with those of their detections. Objects that touch another one are not
 * corrected, because the other one may cut their detection.
 * @returns the corrected observations
 */
export function recondition(
  parts: TrackerParts,
  frameIndex: number,
  observations: readonly Observation[],
): Observation[] {
  const { policy, geometry } = parts;
  const corrected: Observation[] = [];
  for (const observation of observations) {
    const { masklet, detection, stored, contested, agreement } = observation;
    if (stored || contested || !detection) continue;
    const facts = {
      frameIndex,
      lastFrame: masklet.reconditionedFrame,
      detectionScore: detection.score,
      maskIou: agreement,
    };
    if (!shouldRecondition(facts, policy.recondition, policy.associate.trkAssocIouThresh)) continue;
    if (touchesAnother(frameIndex, observation, observations)) continue;
    setMask(observation, cleanMask(detection.maskLogits, geometry.m, policy.mask));
    observation.kind = "reconditioned";
    masklet.reconditionedFrame = frameIndex;
    corrected.push(observation);
  }
  return corrected;
}
