/**
 * Whose a pixel of the video is that several objects cover: SAM 3's object-wise non-overlap, on the masks as they are
 * shown.
 *
 * Source: facebookresearch/sam3:sam3/model/sam3_video_inference.py (post-processing of outputs).
 */
import type { PixelClaim } from "../report.js";

/** One object's part of a frame. */
export interface ShownMask {
  claim: PixelClaim;
  /** Left, top, right, bottom in pixels; right and bottom exclusive. */
  box: readonly [x0: number, y0: number, x1: number, y1: number];
  /** uint8 [y1-y0, x1-x0]: the part of the mask inside its box, 0 outside the object; not changed */
  bits: Uint8Array;
}

/**
 * Gives each pixel to the object of a group that the tracker is surest of; the first of equals. Each mask is walked once,
 * however many there are.
 * @param masks by ascending id
 * @param unknown what a missing probability counts as; an object at 0 loses everything unless it is alone on the frame
 * @returns the bits that each keeps; untouched ones are the same arrays
 */
export function resolveOwnership(masks: readonly ShownMask[], unknown: number): Uint8Array[] {
  const kept = masks.map(({ bits }) => bits);
  if (masks.length < 2) return kept;
  const sureness = masks.map(({ claim }) => Math.fround(claim.prob ?? unknown));
  const sure = (index: number) => sureness[index] as number;
  const groups = new Map<PixelClaim["group"], number[]>();
  masks.forEach(({ claim: { group }, bits }, index) => {
    if (sure(index) <= 0) kept[index] = new Uint8Array(bits.length);
    else if (group !== null) groups.set(group, [...(groups.get(group) ?? []), index]);
  });
  for (const members of groups.values()) {
    if (members.length < 2) continue;
    members.sort((a, b) => sure(b) - sure(a) || a - b);
    const claimed = new ClaimedPixels(members.map((index) => masks[index] as ShownMask));
    for (const index of members) kept[index] = claimed.claim(masks[index] as ShownMask);
  }
  return kept;
}

/** Which pixels of the box around some masks have an owner already. */
class ClaimedPixels {
  private readonly left: number;
  private readonly top: number;
  private readonly width: number;
  /** uint8, row by row; 1: has an owner */
  private readonly taken: Uint8Array;

  constructor(masks: readonly ShownMask[]) {
    const edge = (side: 0 | 1 | 2 | 3, pick: (...values: number[]) => number) =>
      masks.map(({ box }) => box[side]).reduce((a, b) => pick(a, b));
    this.left = edge(0, Math.min);
    this.top = edge(1, Math.min);
    this.width = edge(2, Math.max) - this.left;
    this.taken = new Uint8Array(this.width * (edge(3, Math.max) - this.top));
  }

  /** Takes what nobody has yet → the bits of the mask that are its own. */
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
