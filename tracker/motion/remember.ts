/** Adds a frame to the memory of the observed objects. */
import type { FrameFeatures } from "../../detector/graph.js";
import type { MemoryEntry } from "../../memory/bank.js";
import type { Model } from "../model.js";
import { CERTAIN, isVisible, type Observation } from "../observation.js";
import type { TrackerPolicy } from "../policy.js";

/**
 * Stores the final masks of all reliable observations, with one call of `seed` and one of `remember`. Observations with a
 * stored memory keep it.
 */
export async function rememberFrame(
  model: Pick<Model, "seed" | "remember">,
  features: FrameFeatures,
  frameIndex: number,
  observations: readonly Observation[],
  policy: Pick<TrackerPolicy, "memory">,
): Promise<void> {
  const kept = observations.filter(
    (observation) => observation.stored === null && isRemembered(observation, policy),
  );
  const reseeded = kept.filter((observation) => needsPointer(observation));
  const seeds = await model.seed(
    features,
    reseeded.map(({ maskLogits }) => maskLogits),
  );
  const memories = await model.remember(
    features,
    kept.map((observation) => ({
      maskLogits: observation.maskLogits,
      score: isVisible(observation) ? CERTAIN : -CERTAIN,
      isInput: observation.kind !== "recent",
    })),
  );
  kept.forEach((observation, index) => {
    const seed = seeds[reseeded.indexOf(observation)];
    const entry: MemoryEntry = {
      frameIndex,
      kind: observation.kind,
      memory: memories[index] as Float32Array,
      pointer: seed ?? (observation.prediction?.pointer as Float32Array),
      maskLogits: observation.maskLogits,
      score: observation.prediction?.score ?? CERTAIN,
      present: isVisible(observation),
    };
    observation.masklet.bank.add(entry);
  });
}

function isRemembered(observation: Observation, { memory }: Pick<TrackerPolicy, "memory">): boolean {
  if (observation.kind !== "recent") return true;
  // The mask may belong to another object.
  if (observation.contested) return false;
  return isVisible(observation) || memory.seenWithin === null;
}

/**
 * Whether the object pointer must be computed from the mask. The pointer of the prediction does not describe the mask when
 * the mask was replaced or the object was predicted absent.
 */
function needsPointer({ prediction, kind, detection, replaced }: Observation): boolean {
  if (prediction === null || kind !== "recent" || replaced) return true;
  return detection !== null && prediction.score <= 0;
}
