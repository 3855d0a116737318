/** Pictures that contain their number twice: as light and dark cells, and as the place of a disc that can be tracked. */
/** Of a stored picture, before a rotation. */
export const SCENE = { width: 384, height: 256 } as const;

/** The cells of the number are below this row. */
const STRIP_TOP = 192;
const BITS = 12;
const CELL = SCENE.width / BITS;
const RADIUS = 26;
const DISC = [30, 70, 215] as const;
const MARK = 20;

/** The disc moves by 10 to 15 pixels from frame to frame. */
export function discCentre(index: number): { x: number; y: number } {
  return { x: 50 + 11 * (index % 26), y: 96 + 36 * Math.sin(index * 0.3) };
}
export const DISC_RADIUS = RADIUS;

/** `[height, width, 3]` picture number `index`. */
export function paintScene(index: number, width: number, height: number): Buffer {
  const rgb = Buffer.alloc(width * height * 3);
  const disc = discCentre(index);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * 3;
      const colour = colourOf(index, x, y, disc);
      for (let channel = 0; channel < 3; channel++) rgb[at + channel] = colour[channel] as number;
    }
  }
  return rgb;
}

function colourOf(index: number, x: number, y: number, disc: { x: number; y: number }): readonly number[] {
  if (y >= STRIP_TOP) {
    const light = (index >> Math.floor(x / CELL)) & 1;
    return light ? [210, 210, 210] : [40, 40, 40];
  }
  // A mark in two corners: rotation and mirroring are visible.
  if (y < MARK && x < MARK) return [220, 40, 40];
  if (y < MARK && x >= SCENE.width - MARK) return [240, 220, 40];
  if (Math.hypot(x + 0.5 - disc.x, y + 0.5 - disc.y) <= RADIUS) return DISC;
  return [70 + x / 8, 110 + y / 4, 90 + (((x >> 5) + (y >> 5)) % 2) * 12];
}

/** `[height, width, channels]` pixels of a picture, at any size. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly data: ArrayLike<number>;
}

/** Sends a point of the stored picture to the upright picture; 0 to 1. */
export type Place = (x: number, y: number) => readonly [number, number];

export const UPRIGHT: Place = (x, y) => [x, y];

/** @param matrix upper left part of a display matrix, which sends stored (x, y) to (a·x + c·y, b·x + d·y) */
export function placeOf([a, b, c, d]: readonly [number, number, number, number]): Place {
  const axis = (x: number, y: number, factorX: number, factorY: number) =>
    factorX * x + factorY * y + (factorX + factorY < 0 ? 1 : 0);
  return (x, y) => [axis(x, y, a, c), axis(x, y, b, d)];
}

/** The number of a picture of `paintScene`. */
export function readSceneNumber(pixels: Pixels, place: Place = UPRIGHT): number {
  let number = 0;
  for (let bit = 0; bit < BITS; bit++) {
    const [x, y] = place((bit + 0.5) / BITS, (STRIP_TOP + SCENE.height) / 2 / SCENE.height);
    const [r, g, b] = colourAt(pixels, x, y);
    if (r + g + b > 3 * 125) number |= 1 << bit;
  }
  return number;
}

function colourAt({ width, height, channels, data }: Pixels, x: number, y: number) {
  const at = (Math.floor(y * height) * width + Math.floor(x * width)) * channels;
  return [data[at], data[at + 1], data[at + 2]] as [number, number, number];
}

/** Mean colours of a picture on a grid of 24 × 16, as one list. */
export function coarse({ width, height, channels, data }: Pixels): number[] {
  const [columns, rows] = [24, 16];
  const sums = new Float64Array(columns * rows * 3);
  const counts = new Float64Array(columns * rows);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const cell = Math.floor((y * rows) / height) * columns + Math.floor((x * columns) / width);
      counts[cell] = (counts[cell] as number) + 1;
      for (let channel = 0; channel < 3; channel++) {
        const at = cell * 3 + channel;
        sums[at] = (sums[at] as number) + (data[(y * width + x) * channels + channel] as number);
      }
    }
  }
  return Array.from(sums, (sum, at) => sum / (counts[Math.floor(at / 3)] as number));
}

/** The largest difference of two lists. */
export const largestDifference = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((largest, value, at) => Math.max(largest, Math.abs(value - (b[at] as number))), 0);

/** The centre of the pixels of a mask, 0 to 1. */
export function centreOf(mask: { width: number; height: number; data: ArrayLike<number> }): {
  x: number;
  y: number;
  pixels: number;
} {
  let [sumX, sumY, pixels] = [0, 0, 0];
  for (let y = 0; y < mask.height; y++) {
    for (let x = 0; x < mask.width; x++) {
      if (!mask.data[y * mask.width + x]) continue;
      sumX += x + 0.5;
      sumY += y + 0.5;
      pixels++;
    }
  }
  return { x: sumX / pixels / mask.width, y: sumY / pixels / mask.height, pixels };
}
