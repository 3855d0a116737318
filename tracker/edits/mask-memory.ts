/** Memories of masks that the user gave or confirmed. */
import type { FrameFeatures } from "../../detector/graph.js";
import type { MemoryEntry, MemoryKind } from "../../memory/bank.js";
import type { Masklet } from "../masklet.js";
import { hasPixels } from "../masks/mask.js";
import { enlarge } from "../masks/resize.js";
import { CERTAIN } from "../observation.js";
import type { TrackerParts } from "../parts.js";

/** An object and its mask on the frame, float32 [m, m] logits. */
export interface GivenMask {
  masklet: Masklet;
  mask: Float32Array;
}

/** Stores masks of one frame as memories, with one call of `seed` and one of `remember`. */
export async function rememberMasks(
  { model, geometry, policy }: TrackerParts,
  features: FrameFeatures,
  frameIndex: number,
  given: readonly GivenMask[],
  kind: MemoryKind,
): Promise<void> {
  if (given.length === 0) return;
  const pointers = await model.seed(
    features,
    given.map(({ mask }) => mask),
  );
  // SAM 3's rules encode memories from masks at the size of the image.
  const side = policy.associate.rules === "sam3" ? geometry.S : geometry.m;
  const memories = await model.remember(
    features,
    given.map(({ mask }) => ({
      maskLogits: enlarge(mask, geometry.m, side),
      score: hasPixels(mask) ? CERTAIN : -CERTAIN,
      isInput: true,
    })),
  );
  // A selection by score ignores tracked frames without one.
  const isScored = kind === "recent" && policy.memory.mfThreshold !== null;
  given.forEach(({ masklet, mask }, index) => {
    const present = hasPixels(mask);
    const entry: MemoryEntry = {
      frameIndex,
      kind,
      memory: memories[index] as Float32Array,
      pointer: pointers[index] as Float32Array,
      maskLogits: mask,
      score: present ? CERTAIN : -CERTAIN,
      present,
      ...(isScored ? { trackScore: 1 } : {}),
    };
    masklet.bank.add(entry);
  });
}
