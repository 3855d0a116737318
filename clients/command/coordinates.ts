/** Coordinates of the command line: pixels of the video, or fractions of its size. */
import type { PixelBox } from "../typescript/index.js";

interface Size {
  width: number;
  height: number;
}

/**
 * True for a box whose numbers are all from 0 to 1: fractions of the frame. In pixels it would cover at most one pixel, which
 * marks no object.
 */
export function isRelativeBox(box: PixelBox): boolean {
  return box.every((value) => value >= 0 && value <= 1);
}

/** True for a point with both numbers from 0 to 1, unless both are whole: `0,0` and `1,1` are pixels. */
export function isRelativePoint([x, y]: readonly [number, number]): boolean {
  const isFraction = (value: number) => value >= 0 && value <= 1;
  return isFraction(x) && isFraction(y) && !(Number.isInteger(x) && Number.isInteger(y));
}

/** `[x, y, width, height]` in pixels of the video. */
export function toPixelBox(box: PixelBox, { width, height }: Size): PixelBox {
  if (!isRelativeBox(box)) return box;
  const [x, y, boxWidth, boxHeight] = box;
  const [left, pixelWidth] = toPixelSpan(x, boxWidth, width);
  const [top, pixelHeight] = toPixelSpan(y, boxHeight, height);
  return [left, top, pixelWidth, pixelHeight];
}

/**
 * Start and extent in pixels. Both are multiples of 2^-20 pixels, so that their sum is exact: an edge at 1 is the edge of the
 * frame, in spite of rounding.
 */
function toPixelSpan(start: number, share: number, size: number): [start: number, extent: number] {
  const rounded = (pixels: number) => Math.round(pixels * 2 ** 20) / 2 ** 20;
  const first = rounded(start * size);
  const rounding = 1e-9;
  const end =
    start + share < 1 + rounding ? Math.min(size, rounded((start + share) * size)) : (start + share) * size;
  return [first, end - first];
}

/** `[x, y]` in pixels of the video. */
export function toPixelPoint(
  point: readonly [number, number],
  { width, height }: Size,
): [x: number, y: number] {
  const [x, y] = point;
  return isRelativePoint(point) ? [x * width, y * height] : [x, y];
}
