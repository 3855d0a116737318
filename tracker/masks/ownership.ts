/**
 * Assigns pixels of the video that several objects cover: SAM 3's object-wise non-overlap, applied to the output masks.
 *
 * Source: facebookresearch/sam3:sam3/model/sam3_video_inference.py (post-processing of outputs).
 */
import type { PixelClaim } from "../report.js";

/** One object's mask in the output. */
export interface ShownMask {
  claim: PixelClaim;
  /** Left, top, right, bottom in pixels; right and bottom exclusive. */
  box: readonly [x0: number, y0: number, x1: number, y1: number];
  /** uint8 [y1-y0, x1-x0]: the part of the mask inside its box, 0 outside the object; not changed */
  bits: Uint8Array;
}

/**
 * Assigns each pixel to the object of a group with the highest probability; on a tie, to the first one. Visits the pixels
 * of each mask once. An object with probability 0 loses all its pixels, unless it is the only one on the frame.
 * @param masks by ascending id
 * @param unknown the probability of objects without one
 * @returns the bits that each object keeps; unchanged ones are the same arrays
 */
export function resolveOwnership(masks: readonly ShownMask[], unknown: number): Uint8Array[] {
  const kept = masks.map(({ bits }) => bits);
  if (masks.length < 2) return kept;
  const probabilities = masks.map(({ claim }) => Math.fround(claim.prob ?? unknown));
  const probOf = (index: number) => probabilities[index] as number;
  const groups = new Map<PixelClaim["group"], number[]>();
  masks.forEach(({ claim: { group }, bits }, index) => {
    if (probOf(index) <= 0) kept[index] = new Uint8Array(bits.length);
    else if (group !== null) groups.set(group, [...(groups.get(group) ?? []), index]);
  });
  for (const members of groups.values()) {
    if (members.length < 2) continue;
    members.sort((a, b) => probOf(b) - probOf(a) || a - b);
    const claimed = new ClaimedPixels(members.map((index) => masks[index] as ShownMask));
    for (const index of members) kept[index] = claimed.claim(masks[index] as ShownMask);
  }
  return kept;
}

/** The pixels that have an owner, within the common box of some masks. */
class ClaimedPixels {
  private readonly left: number;
  private readonly top: number;
  private readonly width: number;
  /** uint8, row-major; 1: has an owner */
  private readonly taken: Uint8Array;

  constructor(masks: readonly ShownMask[]) {
    const edge = (side: 0 | 1 | 2 | 3, pick: (...values: number[]) => number) =>
      masks.map(({ box }) => box[side]).reduce((a, b) => pick(a, b));
    this.left = edge(0, Math.min);
    this.top = edge(1, Math.min);
    this.width = edge(2, Math.max) - this.left;
    this.taken = new Uint8Array(this.width * (edge(3, Math.max) - this.top));
  }

  /** Claims the pixels of a mask that have no owner yet. @returns the bits of these pixels */
  claim({ bits, box: [x0, y0, x1, y1] }: ShownMask): Uint8Array {
    const { taken } = this;
    let own = bits;
    let from = 0;
    for (let y = y0; y < y1; y++) {
      let place = (y - this.top) * this.width + x0 - this.left;
      for (const end = from + x1 - x0; from < end; from++, place++) {
        if (bits[from] === 0) continue;
        if (taken[place] === 0) {
          taken[place] = 1;
          continue;
        }
        if (own === bits) own = bits.slice();
        own[from] = 0;
      }
    }
    return own;
  }
}
