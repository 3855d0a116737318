import type { Video } from "./media.js";

/** Times that differ from those of a constant rate by no more than this are rounded, as in Matroska. */
const ROUNDING_US = 1500;

/**
 * Times of the frames in microseconds, from 0 for the first; null when they are those of a constant rate, and for pictures,
 * which have no times.
 */
export function unevenTimesUs({ facts, timeOf }: Pick<Video, "facts" | "timeOf">): number[] | null {
  const { fps, numFrames } = facts;
  if (fps === null) return null;
  const firstUs = timeOf(0) ?? 0;
  const timesUs = Array.from({ length: numFrames }, (_, frame) => (timeOf(frame) ?? 0) - firstUs);
  const isConstant = timesUs.every((us, frame) => Math.abs(us - (frame * 1e6) / fps) <= ROUNDING_US);
  return isConstant ? null : timesUs;
}
