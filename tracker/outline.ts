/** Outlines of what was detected: a detector's mask is coarse, the decoder that answers clicks follows edges. */
import type { FrameFeatures } from "../detector/graph.js";
import { maskBits, maskExtent, maskIou } from "../detector/mask-bits.js";
import { fillHoles } from "./fill-holes.js";
import { speckArea } from "./follow.js";
import { boxPrompt } from "./interactive.js";
import type { TrackerParts } from "./parts.js";
import { type Sight, setMask } from "./sight.js";

/** Has masks that came from the detector drawn again from the box around them and from themselves, unless another thing results. */
export async function redraw(
  { policy, model, capabilities, geometry }: TrackerParts,
  levels: FrameFeatures,
  sights: readonly Sight[],
): Promise<void> {
  const { redrawnIou } = policy.mask;
  if (redrawnIou === 0 || !capabilities.points) return;
  for (const sight of sights) {
    const extent = maskExtent(sight.maskLogits, geometry.m);
    if (!extent) continue;
    const { maskLogits } = await model.segment(levels, boxPrompt(extent.box), sight.maskLogits);
    if (maskIou(maskBits(maskLogits), sight.bits) >= redrawnIou)
      setMask(sight, fillHoles(maskLogits, geometry.m, speckArea(geometry, policy.mask)));
  }
}
