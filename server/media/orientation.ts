/**
 * The steps from stored pixels to the upright picture: exchange x and y if `transpose`, then mirror. All eight
 * orientations of a camera are such a combination.
 */
export interface Orientation {
  transpose: boolean;
  flipX: boolean;
  flipY: boolean;
}

export const UPRIGHT: Orientation = { transpose: false, flipX: false, flipY: false };

/**
 * Reads a display matrix as ffprobe prints it: three numbered rows of three integers. The upper left 2×2 part
 * `[a b; c d]` sends stored (x, y) to (a·x + c·y, b·x + d·y). Cameras write
 * quarter turns only; for other angles the nearest orientation is returned.
 */
export function parseDisplayMatrix(text: string): Orientation | null {
  const rows = [...text.matchAll(/^[0-9a-f]{8}:\s*(-?\d+)\s+(-?\d+)/gm)];
  const [a, b, c, d] = rows.slice(0, 2).flatMap((row) => [Number(row[1]), Number(row[2])]);
  if (a === undefined || b === undefined || c === undefined || d === undefined) return null;
  if (Math.abs(b) + Math.abs(c) > Math.abs(a) + Math.abs(d)) {
    return { transpose: true, flipX: c < 0, flipY: b < 0 };
  }
  return { transpose: false, flipX: a < 0, flipY: d < 0 };
}

/** Clockwise rotation in degrees. Of a mirrored picture, the rotation that remains when the mirroring is undone. */
export function rotationDegrees({ transpose, flipX, flipY }: Orientation): 0 | 90 | 180 | 270 {
  if (transpose) return flipX ? 90 : 270;
  return flipX && flipY ? 180 : 0;
}

/** ffmpeg filters that rotate a stored picture upright. `transpose=cclock_flip` exchanges x and y. */
export function orientationFilters({ transpose, flipX, flipY }: Orientation): string[] {
  return [transpose && "transpose=cclock_flip", flipX && "hflip", flipY && "vflip"].filter(
    (filter): filter is string => filter !== false,
  );
}
