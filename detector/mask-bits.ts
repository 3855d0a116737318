/**
 * Masks with one bit per pixel. Every detection is compared with every object on every frame. In this form, two masks of
 * 80 x 80 pixels have 400 words instead of 12,800 floats.
 */
import type { BoxXyxy } from "./geometry.js";

export interface MaskBits {
  words: Uint32Array;
  /** Number of pixels inside. */
  area: number;
}

/** @param logits any number of float32 values; a pixel is inside when its logit is above 0 */
export function maskBits(logits: Float32Array): MaskBits {
  const words = new Uint32Array((logits.length + 31) >>> 5);
  let area = 0;
  for (let pixel = 0; pixel < logits.length; pixel++) {
    if ((logits[pixel] as number) > 0) {
      const word = pixel >>> 5;
      words[word] = (words[word] as number) | (1 << (pixel & 31));
      area++;
    }
  }
  return { words, area };
}

/** Number of pixels inside both masks, which have the same size. */
export function sharedArea(a: MaskBits, b: MaskBits): number {
  if (a.area === 0 || b.area === 0) return 0;
  let shared = 0;
  for (let word = 0; word < a.words.length; word++) {
    const both = (a.words[word] as number) & (b.words[word] as number);
    if (both !== 0) shared += countBits(both);
  }
  return shared;
}

/** Intersection over union; 0 when both are empty. */
export function maskIou(a: MaskBits, b: MaskBits): number {
  const shared = sharedArea(a, b);
  return shared / Math.max(a.area + b.area - shared, 1);
}

/** The share of `a` inside `b`, 0..1; 0 when `a` is empty. */
export function coveredBy(a: MaskBits, b: MaskBits): number {
  return sharedArea(a, b) / Math.max(a.area, 1);
}

/** Position and size of a mask, relative to the frame. */
export interface MaskExtent {
  /** Tight box; right and bottom are exclusive. */
  box: BoxXyxy;
  /** Mean of the pixels inside. Finer than the centre of the box, which moves in steps of half a pixel. */
  centre: readonly [x: number, y: number];
}

/**
 * @param logits float32 [side, side]
 * @returns null for an empty mask
 */
export function maskExtent(logits: Float32Array, side: number): MaskExtent | null {
  let left = side;
  let top = side;
  let right = -1;
  let bottom = -1;
  let sumX = 0;
  let sumY = 0;
  let area = 0;
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      if ((logits[y * side + x] as number) <= 0) continue;
      if (x < left) left = x;
      if (x > right) right = x;
      if (y < top) top = y;
      bottom = y;
      sumX += x;
      sumY += y;
      area++;
    }
  }
  if (area === 0) return null;
  return {
    box: [left / side, top / side, (right + 1) / side, (bottom + 1) / side],
    centre: [(sumX / area + 0.5) / side, (sumY / area + 0.5) / side],
  };
}

function countBits(word: number): number {
  let v = word - ((word >>> 1) & 0x55555555);
  v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
  return Math.imul((v + (v >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
