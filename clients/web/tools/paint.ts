/** Painting in masks: pure functions on `[height, width]` pixels, row by row, 1 inside. */
import type { Mask } from "../../typescript/index.js";
import type { Point } from "../stage/coordinates.js";

export const emptyMask = (width: number, height: number): Mask => ({
  width,
  height,
  data: new Uint8Array(width * height),
});

/** Sets the pixels whose centre is at most `radius` from the line between two points. */
export function paintLine(
  { data, width, height }: Mask,
  from: Point,
  to: Point,
  radius: number,
  value: 0 | 1,
): void {
  const left = Math.max(0, Math.floor(Math.min(from.x, to.x) - radius));
  const right = Math.min(width - 1, Math.ceil(Math.max(from.x, to.x) + radius));
  const top = Math.max(0, Math.floor(Math.min(from.y, to.y) - radius));
  const bottom = Math.min(height - 1, Math.ceil(Math.max(from.y, to.y) + radius));
  const dx = to.x - from.x;
  const dy = to.y - from.y;
  const lengthSquared = dx * dx + dy * dy;
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const px = x + 0.5 - from.x;
      const py = y + 0.5 - from.y;
      const along = lengthSquared === 0 ? 0 : Math.min(1, Math.max(0, (px * dx + py * dy) / lengthSquared));
      const ex = px - along * dx;
      const ey = py - along * dy;
      if (ex * ex + ey * ey <= radius * radius) data[y * width + x] = value;
    }
  }
}

export const isEmpty = ({ data }: Mask): boolean => !data.includes(1);
