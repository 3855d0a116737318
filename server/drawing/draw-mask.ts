/** A mask on a picture: a translucent fill and a bright outline. */
import type { Mask, PixelBox } from "../../protocol/index.js";
import { blendPixel, type Colour, type Picture } from "./picture.js";

const FILL_OPACITY = 0.42;
const OUTLINE_OPACITY = 0.95;
/** A dark rim around the outline keeps it visible on a background of its own colour. */
const RIM_COLOUR: Colour = [10, 12, 16];
const RIM_OPACITY = 0.5;

/**
 * Fills and outlines one mask, whose tight box is `box`.
 * @throws RangeError when mask and picture differ in size.
 */
export function drawMask(
  picture: Picture,
  mask: Mask,
  box: PixelBox,
  colour: Colour,
  thickness: number,
): void {
  const { width, height, rgb } = picture;
  if (mask.width !== width || mask.height !== height) {
    throw new RangeError(
      `expected a mask of ${width}x${height}, the size of the picture, got ${mask.width}x${mask.height}`,
    );
  }
  const [x0, y0, boxWidth, boxHeight] = box;
  const depth = depthInside(mask, box, thickness);
  for (let row = Math.max(0, y0 - 1); row < Math.min(height, y0 + boxHeight + 1); row++) {
    for (let column = Math.max(0, x0 - 1); column < Math.min(width, x0 + boxWidth + 1); column++) {
      const at = row * width + column;
      if (mask.data[at] === 1) {
        const onOutline = (depth[(row - y0) * boxWidth + column - x0] ?? 0) <= thickness;
        blendPixel(rgb, at * 3, colour, onOutline ? OUTLINE_OPACITY : FILL_OPACITY);
      } else if (touchesMask(mask, column, row)) {
        blendPixel(rgb, at * 3, RIM_COLOUR, RIM_OPACITY);
      }
    }
  }
}

/**
 * The depth of each pixel of the box in the mask: 0 outside, 1 on its edge, up to `limit` + 1. Steps alternate between eight
 * and four directions, which approximates a circle.
 */
function depthInside(mask: Mask, [x0, y0, boxWidth, boxHeight]: PixelBox, limit: number): Uint8Array {
  const depth = new Uint8Array(boxWidth * boxHeight);
  for (let row = 0; row < boxHeight; row++) {
    for (let column = 0; column < boxWidth; column++) {
      depth[row * boxWidth + column] = mask.data[(row + y0) * mask.width + column + x0] === 1 ? 1 : 0;
    }
  }
  const at = (column: number, row: number, level: number) =>
    column >= 0 && row >= 0 && column < boxWidth && row < boxHeight
      ? (depth[row * boxWidth + column] ?? 0) >= level
      : false;
  for (let level = 1; level <= limit; level++) {
    const corners = level % 2 === 0;
    for (let row = 0; row < boxHeight; row++) {
      for (let column = 0; column < boxWidth; column++) {
        if (!at(column, row, level)) continue;
        const surrounded =
          at(column - 1, row, level) &&
          at(column + 1, row, level) &&
          at(column, row - 1, level) &&
          at(column, row + 1, level) &&
          (!corners ||
            (at(column - 1, row - 1, level) &&
              at(column + 1, row - 1, level) &&
              at(column - 1, row + 1, level) &&
              at(column + 1, row + 1, level)));
        if (surrounded) depth[row * boxWidth + column] = level + 1;
      }
    }
  }
  return depth;
}

function touchesMask({ width, height, data }: Mask, column: number, row: number): boolean {
  return (
    (column > 0 && data[row * width + column - 1] === 1) ||
    (column + 1 < width && data[row * width + column + 1] === 1) ||
    (row > 0 && data[(row - 1) * width + column] === 1) ||
    (row + 1 < height && data[(row + 1) * width + column] === 1)
  );
}
