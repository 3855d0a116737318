/** The end of a frame: what was seen becomes memory. */
import type { FrameFeatures } from "../detector/graph.js";
import type { MemoryEntry } from "../memory/bank.js";
import type { Model } from "./model.js";
import type { TrackerPolicy } from "./policy.js";
import { CERTAIN, isVisible, type Sight } from "./sight.js";

/**
 * Remembers a frame for every sight that deserves it, with one call of `seed` and one of `remember` for all of them.
 * Masks are remembered as they were edited, which is why this comes last.
 */
export async function settle(
  model: Pick<Model, "seed" | "remember">,
  features: FrameFeatures,
  frameIndex: number,
  sights: readonly Sight[],
  policy: Pick<TrackerPolicy, "memory">,
): Promise<void> {
  const kept = sights.filter((sight) => sight.stored === null && isMemorable(sight, policy));
  const reseeded = kept.filter((sight) => needsOwnPointer(sight));
  const seeds = await model.seed(
    features,
    reseeded.map(({ maskLogits }) => maskLogits),
  );
  const memories = await model.remember(
    features,
    kept.map((sight) => ({
      maskLogits: sight.maskLogits,
      score: isVisible(sight) ? CERTAIN : -CERTAIN,
      isInput: sight.kind !== "recent",
    })),
  );
  kept.forEach((sight, index) => {
    const seed = seeds[reseeded.indexOf(sight)];
    const entry: MemoryEntry = {
      frameIndex,
      kind: sight.kind,
      memory: memories[index] as Float32Array,
      pointer: seed ?? (sight.prediction?.pointer as Float32Array),
      maskLogits: sight.maskLogits,
      score: sight.prediction?.score ?? CERTAIN,
      present: isVisible(sight),
    };
    sight.masklet.bank.add(entry);
  });
}

function isMemorable(sight: Sight, { memory }: Pick<TrackerPolicy, "memory">): boolean {
  if (sight.kind !== "recent") return true;
  // Whose frame this was is unclear: better no memory than another object's.
  if (sight.contested) return false;
  if (!isVisible(sight)) return memory.seenWithin === null;
  return sight.detection !== null || (sight.prediction?.iou ?? 1) >= memory.minIou;
}

/** A pointer of another mask would describe the wrong thing, and an absent object's pointer describes nothing. */
function needsOwnPointer({ prediction, kind, detection, replaced }: Sight): boolean {
  if (prediction === null || kind !== "recent" || replaced) return true;
  return detection !== null && prediction.score <= 0;
}
