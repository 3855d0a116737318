/** Corrects tracks with confident detections, whose masks become conditioning memories. */
import { cleanMask } from "../masks/clean.js";
import { type Observation, setMask } from "../observation.js";
import type { TrackerParts } from "../parts.js";
import type { TrackerPolicy } from "../policy.js";
import { touchesAnother } from "./update-motion.js";

/**
 * Minimum number of frames between corrections of a track that disagrees with its detections. Higher: fewer corrections.
 * Lower: earlier ones.
 */
const PAUSE_FRAMES = 8;

/**
 * Mask IoU of a track and its detection below which they disagree. Higher: masks that spread or shrink are corrected more often,
 * also by detections that are worse. Lower: less often. Chosen on four DAVIS 2016 clips by phrase, see `training/NOTES.md`.
 */
const DISAGREE_IOU = 0.65;

/** The facts about a track and its detection on a frame. */
export interface CorrectionFacts {
  frameIndex: number;
  /** The frame of the last correction, or on which the object was created. */
  lastFrame: number;
  detectionScore: number;
  /** IoU of the tracked mask and the detection. */
  maskIou: number;
}

/**
 * Whether a confident detection corrects a track. If the two agree, it does so periodically, as in SAM 3, so that the memory
 * adapts to changes of appearance. If they disagree, it does so after a pause, so that the error does not persist.
 * @param disagreeIou mask IoU below which the track and the detection disagree
 */
export function shouldRecondition(
  { frameIndex, lastFrame, detectionScore, maskIou }: CorrectionFacts,
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
 * Replaces the masks of the corrected tracks with those of their detections. An object that touches another one is not
 * corrected, because the other one may cover part of it.
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
    if (!shouldRecondition(facts, policy.recondition, DISAGREE_IOU)) continue;
    if (touchesAnother(frameIndex, observation, observations)) continue;
    setMask(observation, cleanMask(detection.maskLogits, geometry.m, policy.mask));
    observation.kind = "reconditioned";
    masklet.reconditionedFrame = frameIndex;
    corrected.push(observation);
  }
  return corrected;
}
