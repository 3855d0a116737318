/** Describes all objects of a frame that was just tracked or prompted. */
import { conceptName } from "../detector/concepts.js";
import { coveredBy, type MaskBits, maskBits, maskExtent } from "../detector/mask-bits.js";
import { hasFrame } from "./frame-set.js";
import { isShown, type Masklet, type Sight } from "./masklet.js";
import { largestPieceShare } from "./masks/pieces.js";
import { type ObjectState, ownerOf, visibilityOf } from "./object-states.js";
import type { TrackerParts } from "./parts.js";
import type { StepResult } from "./report.js";
import { sigmoid } from "./sam3/bucket-score.js";
import { suspectReason } from "./suspects.js";

/** The name of the concept that detected an object; null for an object of the user. */
export function conceptOf(
  { concepts }: Pick<TrackerParts, "concepts">,
  { conceptKey }: Pick<Masklet, "conceptKey">,
): string | null {
  const concept = concepts.all.find(({ key }) => key === conceptKey);
  return concept ? conceptName(concept) : null;
}

/**
 * The states of all objects on a frame that was just tracked or prompted, also of those without a mask. Records where each
 * object was seen.
 * @param scores object score logits of the frame, by id
 * @param isTracked objects that were tracked to the frame count as hidden when they have no mask
 */
export function describeStates(
  parts: TrackerParts,
  frameIndex: number,
  { objects }: Pick<StepResult, "objects">,
  scores: ReadonlyMap<number, number>,
  isTracked: (objectId: number) => boolean,
): ObjectState[] {
  const { registry, geometry, policy } = parts;
  const { m } = geometry;
  const masks = new Map(objects.map(({ objectId, maskLogits }) => [objectId, maskLogits]));
  const bits = new Map([...masks].map(([id, logits]) => [id, maskBits(logits)]));
  const scoreOf = new Map([...scores, ...objects.map(({ objectId, score }) => [objectId, score] as const)]);
  return registry
    .all()
    .filter((masklet) => !masklet.excluded && (masklet.conceptKey === null || isShown(masklet, policy.life)))
    .map((masklet) => {
      const { id, prompts, locks, sight: before } = masklet;
      const isConfirmedByUser = prompts.has(frameIndex) || locks.has(frameIndex);
      const score = isConfirmedByUser ? 1 : sigmoid(scoreOf.get(id) ?? Number.NEGATIVE_INFINITY);
      const logits = masks.get(id);
      const sight = logits ? sightOf(logits, m, frameIndex, before) : null;
      const isAbsent = hasFrame(masklet.absent, frameIndex);
      if (sight) masklet.sight = sight;
      else if (before && isTracked(id) && !isAbsent)
        masklet.sight = { ...before, hiddenFrames: before.hiddenFrames + 1 };
      const suspect =
        sight && logits && !isConfirmedByUser
          ? suspectReason({
              score,
              sight,
              before,
              largestPiece: largestPieceShare(logits, m),
              overlap: overlapOf(id, bits),
            })
          : null;
      return {
        objectId: id,
        state: visibilityOf(sight !== null && !isAbsent, frameIndex, before?.frameIndex ?? null),
        score,
        prompt: ownerOf(masklet, frameIndex, conceptOf(parts, masklet)),
        suspect,
      };
    });
}

/** A pass starts: the frames before it do not count as hidden. */
export function restartSights({ registry }: Pick<TrackerParts, "registry">): void {
  for (const masklet of registry.all())
    if (masklet.sight) masklet.sight = { ...masklet.sight, hiddenFrames: 0 };
}

/** @returns null for an empty mask */
function sightOf(logits: Float32Array, m: number, frameIndex: number, before: Sight | null): Sight | null {
  const extent = maskExtent(logits, m);
  if (!extent) return null;
  const [x, y] = extent.centre;
  const area = logits.reduce((count, logit) => count + (logit > 0 ? 1 : 0), 0) / (m * m);
  const gap = before ? frameIndex - before.frameIndex : 0;
  const speed =
    before && gap !== 0 ? ([(x - before.x) / gap, (y - before.y) / gap] as const) : ([0, 0] as const);
  return { frameIndex, x, y, area, speed, hiddenFrames: 0 };
}

/** The largest share of an object's mask inside the mask of another object. */
function overlapOf(id: number, bits: ReadonlyMap<number, MaskBits>): number {
  const own = bits.get(id) as MaskBits;
  return [...bits].reduce(
    (most, [other, mask]) => (other === id ? most : Math.max(most, coveredBy(own, mask))),
    0,
  );
}
