/** Which new detections a session has room for: SAM 3's boundary filter and its object limit. */
import type { BoxXyxy } from "../../detector/geometry.js";
import type { TrackerPolicy } from "../policy.js";

/** Width of the margin, as a share of the frame. Higher: more objects arrive later. Lower: more halves are admitted. */
const BOUNDARY_MARGIN = 0.025;

/** Without the detections whose box has its centre close to the edge of the frame: things that are only coming in. */
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
 * @param room objects that may still be made
 * @returns all of them in their order when there is room, otherwise the best, best first
 */
export function bestThatFit<T extends { score: number }>(
  candidates: readonly T[],
  room: number,
): { kept: T[]; dropped: number } {
  if (candidates.length <= room) return { kept: [...candidates], dropped: 0 };
  const kept = [...candidates].sort((a, b) => b.score - a.score).slice(0, Math.max(room, 0));
  return { kept, dropped: candidates.length - kept.length };
}
