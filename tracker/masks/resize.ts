/** Resizes square masks. */

/**
 * Bilinear interpolation with half-pixel centres and repeated edges, as in the training of the models: PyTorch's
 * `interpolate(..., mode="bilinear", align_corners=False)`.
 * @param values float32 [side, side]
 * @returns float32 [target, target]; the same array when the size does not change
 */
export function enlarge(values: Float32Array, side: number, target: number): Float32Array {
  if (side === target) return values;
  const out = new Float32Array(target * target);
  const taps = tapsFor(side, target);
  for (let y = 0; y < target; y++) {
    const [top, bottom, down] = [taps.low[y] as number, taps.high[y] as number, taps.share[y] as number];
    for (let x = 0; x < target; x++) {
      const [left, right, along] = [taps.low[x] as number, taps.high[x] as number, taps.share[x] as number];
      const a = values[top * side + left] as number;
      const b = values[top * side + right] as number;
      const c = values[bottom * side + left] as number;
      const d = values[bottom * side + right] as number;
      out[y * target + x] = (1 - down) * ((1 - along) * a + along * b) + down * ((1 - along) * c + along * d);
    }
  }
  return out;
}

/** For each target position, the two source positions around it, and the distance from the lower one. */
function tapsFor(side: number, target: number) {
  const low = new Int32Array(target);
  const high = new Int32Array(target);
  const share = new Float64Array(target);
  for (let i = 0; i < target; i++) {
    const at = Math.max(0, ((i + 0.5) * side) / target - 0.5);
    const floor = Math.min(Math.floor(at), side - 1);
    low[i] = floor;
    high[i] = Math.min(floor + 1, side - 1);
    share[i] = at - floor;
  }
  return { low, high, share };
}
