/**
 * Recalls masks of earlier passes as memories. The bank of an object keeps the memories of recently tracked frames only, so a
 * pass that starts far from the end of the last one would track from prompts alone, although the frames next to its start
 * were tracked before. The caller stores the masks of all frames and returns those that the pass needs.
 */
import type { CocoRle } from "../protocol/rle.js";
import { rememberMasks } from "./edits/mask-memory.js";
import type { PassRequest, RecallNeed } from "./frame-output.js";
import { gridMask } from "./masks/grid-mask.js";
import type { Frame } from "./model.js";
import type { TrackerParts } from "./parts.js";

/** The mask of an object on a frame of an earlier pass. */
export interface RecalledMask {
  objectId: number;
  /** At the size of the video. */
  mask: CocoRle;
}

/**
 * The masks that a pass needs from earlier passes: for each object those nearest to the start that its bank does not have.
 * An object needs none when it has a memory of the start frame from a prompt or a detection, or of the frame before it.
 * @returns undefined when no object needs any, or the policy keeps the memories of all tracked frames
 */
export function findRecallNeed(
  { registry, policy, bank, capabilities }: TrackerParts,
  { firstFrame, reverse }: Pick<PassRequest, "firstFrame" | "reverse">,
  objectIds: ReadonlySet<number> | null,
): RecallNeed | undefined {
  const { tracked, seenWithin } = policy.memory;
  if (tracked === "all" || !capabilities.maskSeed || bank.recent === 0) return undefined;
  const maxDistance = seenWithin ?? bank.recent;
  const before = (frameIndex: number) => (reverse ? frameIndex - firstFrame : firstFrame - frameIndex);

  const objects = registry.all().flatMap(({ id, excluded, bank: { conditioning, recent } }) => {
    if (excluded || (objectIds !== null && !objectIds.has(id))) return [];
    if (conditioning.some(({ frameIndex }) => frameIndex === firstFrame)) return [];
    const known = [...conditioning, ...recent]
      .map(({ frameIndex }) => frameIndex)
      .filter((frameIndex) => before(frameIndex) >= 1 && before(frameIndex) <= maxDistance);
    return known.some((frameIndex) => before(frameIndex) === 1) ? [] : [{ objectId: id, known }];
  });
  return objects.length > 0 ? { objects, masksPerObject: bank.recent, maxDistance } : undefined;
}

/**
 * Adds the masks of a frame to the memories of tracked frames. Frames must come in the order of travel, between the start of a
 * pass and its first step. A mask of an object that does not exist or that has a memory of the frame is ignored.
 */
export async function recallMasks(
  parts: TrackerParts,
  frame: Frame,
  masks: readonly RecalledMask[],
): Promise<void> {
  const { registry, geometry } = parts;
  const recalled = masks.flatMap(({ objectId, mask }) => {
    const masklet = registry.get(objectId);
    if (!masklet || masklet.bank.at(frame.index)) return [];
    return [{ masklet, mask: gridMask(mask, geometry.m) }];
  });
  if (recalled.length === 0) return;
  const features = await parts.features.get(frame, false);
  await rememberMasks(parts, features, frame.index, recalled, "recent");
  const ids = recalled.map(({ masklet }) => masklet.id);
  parts.pass = { ...parts.pass, recalled: new Set([...parts.pass.recalled, ...ids]) };
}
