/** The first frame of a pass by the motion-based rules. */
import { maskExtent } from "../../detector/mask-bits.js";
import { nearestEntry } from "../../memory/bank.js";
import { usableMemories } from "../edits/absence.js";
import { startPass } from "../masklet.js";
import type { TrackerParts } from "../parts.js";
import { framesUnseen, startMotion } from "./motion-model.js";

/** On the first frame of a pass, starts the motion of every object at its memory that is nearest to the frame. */
export function enterPass({ pass, registry, geometry, policy }: TrackerParts, frameIndex: number): void {
  if (!pass.isFresh) return;
  pass.isFresh = false;
  for (const masklet of registry.all()) {
    const nearest = nearestEntry(usableMemories(masklet, frameIndex), frameIndex);
    const extent = nearest && maskExtent(nearest.maskLogits, geometry.m);
    const motion = extent ? startMotion(extent, nearest.frameIndex) : null;
    const isInSight = motion !== null && framesUnseen(motion, frameIndex) <= 1;
    startPass(masklet, motion, isInSight, policy.life);
  }
}
