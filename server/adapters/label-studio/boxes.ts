/** Boxes of Label Studio and of the protocol. */

/** x, y of the top left corner, width, height in percent of the frame. */
export type PercentBox = readonly [x: number, y: number, width: number, height: number];

/** x, y of the top left corner, width, height; 0 to 1 of the frame. */
export type RelativeBox = [x: number, y: number, width: number, height: number];

/** The part of a box inside the frame; undefined when there is none. The page permits boxes outside. */
export function clamped([x, y, width, height]: PercentBox): RelativeBox | undefined {
  const [left, top, right, bottom] = [relative(x), relative(y), relative(x + width), relative(y + height)];
  return right > left && bottom > top ? [left, top, right - left, bottom - top] : undefined;
}

/** @returns 0 to 1 */
export const relative = (percent: number): number => Math.min(1, Math.max(0, percent / 100));
