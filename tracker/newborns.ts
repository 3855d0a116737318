/** Objects that start from a detection taken as truth: their first pointer and memory. */
import type { FrameFeatures } from "../detector/graph.js";
import type { Masklet } from "./masklet.js";
import type { TrackerParts } from "./parts.js";
import { enlarge } from "./resize.js";
import { CERTAIN } from "./sight.js";

/** Logits of a mask that is taken as truth: `SCALE * mask + BIAS`. */
const SCALE = 20;
const BIAS = -10;

/** @param masks detection logits, float32 [m, m] each */
export async function startObjects(
  { model, geometry: { m, S }, policy: { memory } }: TrackerParts,
  features: FrameFeatures,
  frameIndex: number,
  newborns: readonly Masklet[],
  masks: readonly Float32Array[],
): Promise<void> {
  if (newborns.length === 0) return;
  const inside = masks.map((logits) =>
    (memory.newObjectFine ? enlarge(logits, m, S) : logits).map((logit) =>
      logit > memory.newObjectLogit ? 1 : 0,
    ),
  );
  const side = memory.newObjectFine ? S : m;
  const starts = await model.start(features, inside, side);
  const scores = inside.map((mask) => (mask.includes(1) ? CERTAIN : -CERTAIN));
  const memories = await model.remember(
    features,
    inside.map((mask, index) => ({
      maskLogits: enlarge(mask, side, S).map((value) => SCALE * value + BIAS),
      score: scores[index] as number,
      isInput: true,
    })),
  );
  newborns.forEach(({ bank }, index) => {
    const { pointer, maskLogits } = starts[index] as (typeof starts)[number];
    const score = scores[index] as number;
    const seen = { kind: "born", score, present: score > 0 } as const;
    bank.add({ frameIndex, ...seen, memory: memories[index] as Float32Array, pointer, maskLogits });
  });
}
