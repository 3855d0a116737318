/**
 * Corrections win over older prompts. A prompt that contradicts the mask that was tracked to its frame overrules the older
 * prompts: up to the next prompt on either side, they no longer condition the object. A prompt that agrees with the track adds
 * to them.
 */
import type { FrameFeatures } from "../detector/graph.js";
import { maskBits, maskIou } from "../detector/mask-bits.js";
import type { Masklet } from "./masklet.js";
import { hasPixels } from "./masks/mask.js";
import { isNearlyHidden } from "./masks/nearly-hidden.js";
import type { Prediction } from "./model.js";
import { withoutOverruled } from "./overruled.js";
import type { TrackerParts } from "./parts.js";
import { directionFor, memoriesFor } from "./track-objects.js";

/**
 * Whether a prompt contradicts the track of an object. An object without a mask on the frame, or with hardly any in the track and
 * in the prompt, contradicts nothing: it was hidden or left the frame, and its older prompts may be right. To be called before
 * the memory of the prompt is stored.
 * @param maskLogits float32 [m, m]: the mask of the prompt
 * @param shown float32 [m, m]: the mask that is shown on the frame, if there is one
 */
export async function contradictsTrack(
  parts: TrackerParts,
  features: FrameFeatures,
  frameIndex: number,
  masklet: Masklet,
  maskLogits: Float32Array,
  shown: Float32Array | undefined,
): Promise<boolean> {
  const { overruleIou } = parts.policy.edit;
  if (overruleIou === 0) return false;
  const earlier = masklet.prompts.get(frameIndex);
  if (earlier) return earlier.overrules ?? false;
  const tracked =
    masklet.bank.at(frameIndex)?.maskLogits ??
    shown ??
    (await trackedMask(parts, features, frameIndex, masklet));
  if (tracked === null || !hasPixels(tracked)) return false;
  const [before, prompted] = [maskBits(tracked), maskBits(maskLogits)];
  const { conditioning } = withoutOverruled(masklet.bank.snapshot(), masklet.prompts, frameIndex);
  const given = conditioning.map((entry) => entry.maskLogits);
  if (isNearlyHidden(before.area, given) && isNearlyHidden(prompted.area, given)) return false;
  return maskIou(before, prompted) < overruleIou;
}

/** float32 [m, m]; null for an object without memories */
async function trackedMask(
  parts: TrackerParts,
  features: FrameFeatures,
  frameIndex: number,
  masklet: Masklet,
): Promise<Float32Array | null> {
  const selection = memoriesFor(masklet, frameIndex, directionFor(masklet, frameIndex), parts);
  if (selection.memories.length === 0) return null;
  const [prediction] = await parts.model.track(features, [selection]);
  return (prediction as Prediction).maskLogits;
}
