/** The first frame of a pass by the motion-based rules. */
import { maskExtent } from "../../detector/mask-bits.js";
import { type BankSnapshot, type MemoryEntry, nearestEntry } from "../../memory/bank.js";
import { usableMemories } from "../edits/sides.js";
import { startPass } from "../masklet.js";
import type { TrackerParts } from "../parts.js";
import { COAST_FRAMES, framesUnseen, type Motion, measure, startMotion } from "./motion-model.js";

/**
 * On the first frame of a pass, continues the motion of objects whose masks before the frame were recalled, and starts that of
 * the others at their memory that is nearest to the frame.
 */
export function enterPass({ pass, registry, geometry, policy }: TrackerParts, frameIndex: number): void {
  if (!pass.isFresh) return;
  pass.isFresh = false;
  for (const masklet of registry.all()) {
    const usable = usableMemories(masklet, frameIndex);
    const nearest = nearestEntry(usable, frameIndex);
    const entries = pass.recalled.has(masklet.id)
      ? entriesBefore(usable, frameIndex, pass.reverse)
      : nearest
        ? [nearest]
        : [];
    const motion = motionOver(entries, geometry.m);
    const isInSight = motion !== null && framesUnseen(motion, frameIndex) <= 1;
    startPass(masklet, motion, isInSight, policy.life);
  }
}

/** The memories of the frames before a frame in the order of travel, as far back as motion is extrapolated. */
function entriesBefore(
  { conditioning, recent }: BankSnapshot,
  frameIndex: number,
  reverse: boolean,
): MemoryEntry[] {
  const before = (entry: MemoryEntry) =>
    reverse ? entry.frameIndex - frameIndex : frameIndex - entry.frameIndex;
  return [...conditioning, ...recent]
    .filter((entry) => before(entry) >= 1 && before(entry) <= COAST_FRAMES)
    .sort((a, b) => before(b) - before(a));
}

/** @param entries in the order of travel */
function motionOver(entries: readonly MemoryEntry[], side: number): Motion | null {
  return entries.reduce<Motion | null>((motion, { maskLogits, frameIndex }) => {
    const extent = maskExtent(maskLogits, side);
    if (!extent) return motion;
    return motion ? measure(motion, extent, frameIndex, "whole") : startMotion(extent, frameIndex);
  }, null);
}
