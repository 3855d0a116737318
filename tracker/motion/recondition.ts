/** When a detection corrects a track for good: its mask becomes a conditioning memory. */
import { cleanMask } from "../masks/clean.js";
import { type Observation, setMask } from "../observation.js";
import type { TrackerParts } from "../parts.js";
import type { TrackerPolicy } from "../policy.js";
import { touchesAnother } from "./separation.js";

/** Frames between corrections of tracks that disagree with their detections. Higher: fewer corrections. Lower: quicker ones. */
const PAUSE_FRAMES = 8;

export interface Agreement {
  frameIndex: number;
  /** The frame of the last correction, or of the birth. */
  lastFrame: number;
  detectionScore: number;
  /** Overlap of the tracked mask and the detection. */
  maskIou: number;
}

/**
 * Periodically, when a confident detection confirms the track (SAM 3), so that memory keeps up with how the object looks;
 * and when it contradicts the track, so that the track does not go wrong the same way again.
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
 * Gives sights that are to be remembered as corrections the detection's mask, and returns them. Beside another object a
 * detection may be cut: not then.
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
