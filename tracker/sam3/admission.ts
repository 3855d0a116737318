/**
 * Selects the new detections that become objects: SAM 3's boundary filter and its object limit.
 *
 * Source: facebookresearch/sam3:sam3/model/sam3_video_base.py.
 */
import type { Detection } from "../../detector/detect.js";
import type { BoxXyxy } from "../../detector/geometry.js";
import type { Masklet } from "../masklet.js";
import type { TrackerParts } from "../parts.js";
import type { TrackerPolicy } from "../policy.js";
import type { OverlapFindings } from "./association.js";

/**
 * Width of the margin, as a share of the frame. Higher: more objects start later. Lower: more partly visible objects are
 * admitted.
 */
const BOUNDARY_MARGIN = 0.025;

/**
 * The new detections within the object limit.
 * @returns the admitted detections in the order of their ids, and the number of the others
 */
export function admitDetections(
  { policy, registry, numFrames }: TrackerParts,
  findings: OverlapFindings,
  detections: readonly Detection[],
): { admitted: Detection[]; dropped: number } {
  const candidates = findings.born.map((index) => {
    const detection = detections[index] as Detection;
    return { detection, score: detection.score, box: detection.box ?? detection.extent.box };
  });
  const inside = awayFromBoundary(candidates, policy.detect);
  // The limit protects tracking. A still image is never tracked.
  const room = numFrames === 1 ? Infinity : policy.life.maxNumObjects - registry.all().length;
  const { kept, dropped } = bestThatFit(inside, room);
  return { admitted: kept.map(({ detection }) => detection), dropped };
}

export function createObject({ registry }: TrackerParts, frameIndex: number, detection: Detection): Masklet {
  return registry.create({
    conceptKey: [...detection.concepts][0] as number,
    prob: detection.score,
    bornFrame: frameIndex,
    motion: null,
    confirmed: true,
  });
}

/** Removes candidates whose box is centred close to the edge of the frame, where objects are only partly visible. */
export function awayFromBoundary<T extends { box: BoxXyxy }>(
  candidates: readonly T[],
  { suppressDetCloseToBoundary }: Pick<TrackerPolicy["detect"], "suppressDetCloseToBoundary">,
  margin = BOUNDARY_MARGIN,
): T[] {
  if (!suppressDetCloseToBoundary) return [...candidates];
  const isInside = (value: number) => value >= margin && value <= 1 - margin;
  return candidates.filter(({ box: [x0, y0, x1, y1] }) => isInside((x0 + x1) / 2) && isInside((y0 + y1) / 2));
}

/**
 * @param room number of objects that may still be created
 * @returns all candidates in their order where there is room, otherwise the best ones, best first
 */
export function bestThatFit<T extends { score: number }>(
  candidates: readonly T[],
  room: number,
): { kept: T[]; dropped: number } {
  if (candidates.length <= room) return { kept: [...candidates], dropped: 0 };
  const kept = [...candidates].sort((a, b) => b.score - a.score).slice(0, Math.max(room, 0));
  return { kept, dropped: candidates.length - kept.length };
}
