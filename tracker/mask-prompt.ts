/**
 * Masks that the user gives for an object: its first pointer and memory come from the mask.
 *
 * Source: facebookresearch/sam3:sam3/model/sam3_tracker_base.py (mask inputs are the output of their frame); as
 * `add_new_mask` of facebookresearch/sam2:sam2/sam2_video_predictor.py.
 */
import type { FrameFeatures } from "../detector/graph.js";
import type { MemoryEntry } from "../memory/bank.js";
import type { CocoRle } from "../protocol/rle.js";
import type { Masklet } from "./masklet.js";
import { coverageLogits, coverageOf } from "./masks/given-mask.js";
import { gridMask } from "./masks/grid-mask.js";
import { CERTAIN } from "./observation.js";
import type { TrackerParts } from "./parts.js";
import { type ObjectPrompt, type PromptKinds, unsupportedByPack } from "./prompts.js";

/**
 * Computes the memory of a frame from a mask.
 * @param mask with at least one pixel; of any size
 */
export async function memoryOfMask(
  { model, geometry: { S, m } }: Pick<TrackerParts, "model" | "geometry">,
  features: FrameFeatures,
  frameIndex: number,
  mask: CocoRle,
): Promise<MemoryEntry> {
  const inside = coverageOf(mask, S);
  const [start] = await model.start(features, [inside], S);
  const [memory] = await model.remember(features, [
    { maskLogits: coverageLogits(inside), score: CERTAIN, isInput: true },
  ]);
  return {
    frameIndex,
    kind: "prompted",
    memory: memory as Float32Array,
    pointer: start?.pointer as Float32Array,
    maskLogits: gridMask(mask, m),
    score: CERTAIN,
    present: true,
  };
}

/** @throws PromptError `unsupported_by_pack` for a kind of prompt that the pack does not support */
export function checkObjectPrompt({ points, boxXywh, mask }: ObjectPrompt, capabilities: PromptKinds): void {
  if (mask && !capabilities.maskSeed) throw unsupportedByPack("maskSeed", capabilities);
  if ((points.length > 0 || boxXywh) && !capabilities.points) throw unsupportedByPack("points", capabilities);
}

/**
 * Restores the memories of a prompted frame that the banks have dropped, because their number is limited. The prompts of
 * the frame keep its mask.
 * @param masklets the objects that are observed on the frame
 */
export async function recallPrompts(
  parts: Pick<TrackerParts, "model" | "geometry">,
  features: FrameFeatures,
  frameIndex: number,
  masklets: readonly Masklet[],
): Promise<void> {
  for (const { bank, prompts } of masklets) {
    const prompt = prompts.get(frameIndex);
    const mask = prompt?.mask ?? prompt?.drawn;
    if (mask && !bank.at(frameIndex)) bank.add(await memoryOfMask(parts, features, frameIndex, mask));
  }
}
