/** Connected pieces of a mask. */

/**
 * The share of a mask that its largest 8-connected piece covers, 0..1; 1 for an empty mask.
 * @param maskLogits float32 [side, side]; a pixel is inside when its logit is above 0
 */
export function largestPieceShare(maskLogits: Float32Array, side: number): number {
  const isVisited = new Uint8Array(maskLogits.length);
  const stack: number[] = [];
  let [total, largest] = [0, 0];
  const visit = (pixel: number) => {
    if (isVisited[pixel] || (maskLogits[pixel] as number) <= 0) return;
    isVisited[pixel] = 1;
    stack.push(pixel);
  };
  for (let start = 0; start < maskLogits.length; start++) {
    let size = 0;
    visit(start);
    for (let pixel = stack.pop(); pixel !== undefined; pixel = stack.pop()) {
      size++;
      const x = pixel % side;
      const y = (pixel - x) / side;
      for (let row = Math.max(0, y - 1); row <= Math.min(side - 1, y + 1); row++)
        for (let column = Math.max(0, x - 1); column <= Math.min(side - 1, x + 1); column++)
          visit(row * side + column);
    }
    total += size;
    largest = Math.max(largest, size);
  }
  return total === 0 ? 1 : largest / total;
}
