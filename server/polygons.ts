/** Draws polygons as a mask. */

/**
 * A pixel is inside when its centre is, by the even-odd rule over all rings. A ring is closed by its last point.
 * @param rings `[x0, y0, x1, y1, …]` each, in pixels; integer coordinates are the corners of pixels
 * @returns uint8 [height, width], 1 inside and 0 outside
 */
export function drawPolygons(
  rings: readonly (readonly number[])[],
  { width, height }: { width: number; height: number },
): Uint8Array {
  const bits = new Uint8Array(width * height);
  // First marks the pixel behind each crossing of a row of centres with an edge, then accumulates along the rows.
  for (const ring of rings) {
    for (let at = 0; at < ring.length; at += 2) {
      const [x0, y0] = [ring[at] as number, ring[at + 1] as number];
      const next = (at + 2) % ring.length;
      const [x1, y1] = [ring[next] as number, ring[next + 1] as number];
      const slope = (x1 - x0) / (y1 - y0);
      const last = Math.min(height, Math.ceil(Math.max(y0, y1) - 0.5));
      for (let row = Math.max(0, Math.ceil(Math.min(y0, y1) - 0.5)); row < last; row++) {
        const crossing = x0 + (row + 0.5 - y0) * slope;
        const column = Math.max(0, Math.ceil(crossing - 0.5));
        const pixel = row * width + column;
        if (column < width) bits[pixel] = (bits[pixel] as number) ^ 1;
      }
    }
  }
  for (let row = 0; row < height; row++) {
    for (let pixel = row * width + 1; pixel < (row + 1) * width; pixel++)
      bits[pixel] = (bits[pixel] as number) ^ (bits[pixel - 1] as number);
  }
  return bits;
}
