/** Starts objects from detections: computes their first pointer and memory. */
import type { FrameFeatures } from "../../detector/graph.js";
import type { Masklet } from "../masklet.js";
import { enlarge } from "../masks/resize.js";
import { CERTAIN } from "../observation.js";
import type { TrackerParts } from "../parts.js";

/** Logits of an input mask: `SCALE * mask + BIAS`. */
const SCALE = 20;
const BIAS = -10;

/**
 * Converts masks of detections to input masks, on the mask grid or at the size of the image; see `memory.newObjectFine`.
 * @param masks logits, float32 [m, m] each
 * @returns `inside`: float32 [side, side] each, 1 inside and 0 outside
 */
export function toInputMasks(
  masks: readonly Float32Array[],
  { geometry: { m, S }, policy }: Pick<TrackerParts, "geometry" | "policy">,
): { inside: Float32Array[]; side: number } {
  const side = policy.memory.newObjectFine ? S : m;
  const { newObjectLogit } = policy.transformersParity;
  const inside = masks.map((logits) =>
    enlarge(logits, m, side).map((logit) => (logit > newObjectLogit ? 1 : 0)),
  );
  return { inside, side };
}

/**
 * Computes and stores the first memory of new objects.
 * @param masks of the detections of `created`: logits, float32 [m, m] each
 */
export async function startObjects(
  parts: TrackerParts,
  features: FrameFeatures,
  frameIndex: number,
  created: readonly Masklet[],
  masks: readonly Float32Array[],
): Promise<void> {
  if (created.length === 0) return;
  const { model, geometry } = parts;
  const { inside, side } = toInputMasks(masks, parts);
  const starts = await model.start(features, inside, side);
  const scores = inside.map((mask) => (mask.includes(1) ? CERTAIN : -CERTAIN));
  const memories = await model.remember(
    features,
    inside.map((mask, index) => ({
      maskLogits: enlarge(mask, side, geometry.S).map((value) => SCALE * value + BIAS),
      score: scores[index] as number,
      isInput: true,
    })),
  );
  created.forEach(({ bank }, index) => {
    const { pointer, maskLogits } = starts[index] as (typeof starts)[number];
    const score = scores[index] as number;
    const memory = memories[index] as Float32Array;
    bank.add({ frameIndex, kind: "born", score, present: score > 0, memory, pointer, maskLogits });
  });
}
