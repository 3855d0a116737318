/** Boxes of Label Studio and of the protocol. */

/** x, y of the top left corner, width, height in percent of the frame. */
export type PercentBox = readonly [x: number, y: number, width: number, height: number];

/** x, y of the top left corner, width, height; 0 to 1 of the frame. */
export type RelativeBox = [x: number, y: number, width: number, height: number];

/**
 * The smallest box without rotation around a rotated one. Label Studio turns a box clockwise around its top left corner, in pixels.
 * @param rotation degrees
 * @param size of the frame in pixels
 */
export function uprightBox(
  [x, y, width, height]: PercentBox,
  rotation: number,
  size: { width: number; height: number },
): PercentBox {
  if (rotation % 360 === 0) return [x, y, width, height];
  const [sin, cos] = [Math.sin((rotation * Math.PI) / 180), Math.cos((rotation * Math.PI) / 180)];
  // Both sides in percent of the height, so that they can be rotated.
  const aspect = size.width / size.height;
  const [across, down] = [width * aspect, height];
  const xs = [0, across * cos, across * cos - down * sin, -down * sin];
  const ys = [0, across * sin, across * sin + down * cos, down * cos];
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  return [x + left / aspect, y + top, (Math.max(...xs) - left) / aspect, Math.max(...ys) - top];
}

/** The part of a box inside the frame; undefined when there is none. The page permits boxes outside. */
export function clamped([x, y, width, height]: PercentBox): RelativeBox | undefined {
  const [left, top, right, bottom] = [relative(x), relative(y), relative(x + width), relative(y + height)];
  return right > left && bottom > top ? [left, top, right - left, bottom - top] : undefined;
}

/** @returns 0 to 1 */
export const relative = (percent: number): number => Math.min(1, Math.max(0, percent / 100));
