/** Refines masks of the detector, which are coarse, with the mask decoder. */
import type { FrameFeatures } from "../../detector/graph.js";
import { maskBits, maskExtent, maskIou } from "../../detector/mask-bits.js";
import { boxPrompt } from "../click-prompt.js";
import { cleanMask } from "../masks/clean.js";
import { type Observation, setMask } from "../observation.js";
import type { TrackerParts } from "../parts.js";

/**
 * Segments the object of each mask again, with the mask and its box as the prompt. The result replaces the mask when their
 * IoU is at least `mask.redrawnIou`.
 */
export async function redraw(
  { policy, model, capabilities, geometry }: TrackerParts,
  levels: FrameFeatures,
  observations: readonly Observation[],
): Promise<void> {
  const { redrawnIou } = policy.mask;
  if (redrawnIou === 0 || !capabilities.points) return;
  for (const observation of observations) {
    const extent = maskExtent(observation.maskLogits, geometry.m);
    if (!extent) continue;
    const { maskLogits } = await model.segment(levels, boxPrompt(extent.box), observation.maskLogits);
    if (maskIou(maskBits(maskLogits), observation.bits) >= redrawnIou)
      setMask(observation, cleanMask(maskLogits, geometry.m, policy.mask));
  }
}
