/** Points and rectangles in pixels of a picture, as tools send them. */
import { ProtocolError } from "../../protocol/index.js";

/** Of a picture, in pixels. */
export type Size = readonly [width: number, height: number];

/** @throws ProtocolError invalid_field for a point outside the picture */
export function requireInside([x, y]: readonly [number, number], [width, height]: Size, field: string): void {
  if (x >= 0 && y >= 0 && x <= width && y <= height) return;
  const message = `${field}: expected a point inside the picture of ${width} x ${height} pixels, got ${x}, ${y}.`;
  throw new ProtocolError("invalid_field", message, field);
}

/**
 * The part of a rectangle inside the picture: its top left and its bottom right corner.
 * @param corners two opposite corners
 * @throws ProtocolError invalid_field when there is no such part
 */
export function clippedRectangle(
  corners: readonly number[],
  [width, height]: Size,
  field: string,
): [left: number, top: number, right: number, bottom: number] {
  const [ax = 0, ay = 0, bx = 0, by = 0] = corners;
  const clamp = (value: number, most: number) => Math.min(most, Math.max(0, value));
  const [left, right] = [clamp(Math.min(ax, bx), width), clamp(Math.max(ax, bx), width)];
  const [top, bottom] = [clamp(Math.min(ay, by), height), clamp(Math.max(ay, by), height)];
  if (corners.length === 4 && right > left && bottom > top) return [left, top, right, bottom];
  const seen = corners.slice(0, 8).join(", ") || "none";
  const message = `${field}: expected two corners of a rectangle inside the picture of ${width} x ${height} pixels, got ${seen}.`;
  throw new ProtocolError("invalid_field", message, field);
}
