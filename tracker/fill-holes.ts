/** Cleans a mask of holes and specks that are too small to mean anything (SAM 3's rule, 8-connected). */

/**
 * @param logits float32 [side, side]; not changed
 * @param maxArea pixels; holes up to this size are filled, specks up to this size and at most half of the mask go
 * @returns the same array when there was nothing to clean
 */
export function fillHoles(logits: Float32Array, side: number, maxArea: number): Float32Array {
  if (maxArea <= 0) return logits;
  let cleaned = logits;
  const write = (pixels: number[], value: number) => {
    if (cleaned === logits) cleaned = logits.slice();
    for (const pixel of pixels) cleaned[pixel] = value;
  };
  for (const hole of smallComponents(logits, side, false, maxArea)) write(hole, FILLED);
  let area = 0;
  for (const logit of cleaned) if (logit > 0) area++;
  const speckArea = Math.min(maxArea, Math.floor(area / 2));
  for (const speck of smallComponents(cleaned, side, true, speckArea)) write(speck, REMOVED);
  return cleaned;
}

const FILLED = 0.1;
const REMOVED = -0.1;

/** The components of the inside (or outside) that have at most `maxArea` pixels. */
function smallComponents(logits: Float32Array, side: number, inside: boolean, maxArea: number): number[][] {
  const found: number[][] = [];
  if (maxArea <= 0) return found;
  const visited = new Uint8Array(logits.length);
  const stack: number[] = [];
  for (let start = 0; start < logits.length; start++) {
    if (visited[start] || (logits[start] as number) > 0 !== inside) continue;
    const pixels: number[] = [];
    visited[start] = 1;
    stack.push(start);
    let area = 0;
    for (let pixel = stack.pop(); pixel !== undefined; pixel = stack.pop()) {
      if (++area <= maxArea) pixels.push(pixel);
      const x = pixel % side;
      const y = (pixel - x) / side;
      for (let ny = Math.max(0, y - 1); ny <= Math.min(side - 1, y + 1); ny++) {
        for (let nx = Math.max(0, x - 1); nx <= Math.min(side - 1, x + 1); nx++) {
          const neighbour = ny * side + nx;
          if (visited[neighbour] || (logits[neighbour] as number) > 0 !== inside) continue;
          visited[neighbour] = 1;
          stack.push(neighbour);
        }
      }
    }
    if (area <= maxArea) found.push(pixels);
  }
  return found;
}
