/** Cleans masks on the mask grid by the policy. */
import type { TrackerPolicy } from "../policy.js";
import { fillHoles } from "./fill-holes.js";

/**
 * Fills holes and removes specks up to the area of the policy; see `fill-holes.ts`.
 * @param maskLogits float32 [m, m]; not changed
 * @returns float32 [m, m]; the same array when there was nothing to clean
 */
export function cleanMask(
  maskLogits: Float32Array,
  m: number,
  { fillHoleArea, speckShare }: Pick<TrackerPolicy["mask"], "fillHoleArea" | "speckShare">,
): Float32Array {
  return fillHoles(maskLogits, m, Math.max(fillHoleArea, Math.floor(speckShare * m * m)));
}
