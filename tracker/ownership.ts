/**
 * Whose a pixel of the video is that several objects cover: SAM 3's object-wise non-overlap, on the masks as they are
 * shown.
 *
 * Source: facebookresearch/sam3:sam3/model/sam3_video_inference.py (post-processing of outputs).
 */
import type { PixelClaim } from "./report.js";

/** One object's part of a frame. */
export interface ShownMask {
  claim: PixelClaim;
  /** Left, top, right, bottom in pixels; right and bottom exclusive. */
  box: readonly [x0: number, y0: number, x1: number, y1: number];
  /** uint8 [y1-y0, x1-x0]: the part of the mask inside its box, 0 outside the object; not changed */
  bits: Uint8Array;
}

/**
 * Gives each pixel to the object of a group that the tracker is surest of; the first of equals.
 * @param masks by ascending id
 * @param unknown what a missing probability counts as; an object at 0 loses everything unless it is alone on the frame
 * @returns the bits that each keeps; untouched ones are the same arrays
 */
export function resolveOwnership(masks: readonly ShownMask[], unknown: number): Uint8Array[] {
  const kept = masks.map(({ bits }) => bits);
  if (masks.length < 2) return kept;
  const sureness = masks.map(({ claim }) => Math.fround(claim.prob ?? unknown));
  masks.forEach((mask, i) => {
    if ((sureness[i] as number) <= 0) {
      kept[i] = new Uint8Array(mask.bits.length);
      return;
    }
    masks.forEach((other, j) => {
      if (i === j || mask.claim.group === null || mask.claim.group !== other.claim.group) return;
      const [own, theirs] = [sureness[i] as number, sureness[j] as number];
      if (theirs > own || (theirs === own && j < i)) kept[i] = without(kept[i] as Uint8Array, mask, other);
    });
  });
  return kept;
}

/** The bits of `mask` that `other` does not cover. */
function without(bits: Uint8Array, mask: ShownMask, other: ShownMask): Uint8Array {
  const [x0, y0, x1, y1] = mask.box;
  const [ox0, oy0, ox1, oy1] = other.box;
  const [left, top, right, bottom] = [
    Math.max(x0, ox0),
    Math.max(y0, oy0),
    Math.min(x1, ox1),
    Math.min(y1, oy1),
  ];
  if (left >= right || top >= bottom) return bits;
  const cut = bits.slice();
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) {
      if (other.bits[(y - oy0) * (ox1 - ox0) + x - ox0]) cut[(y - y0) * (x1 - x0) + x - x0] = 0;
    }
  }
  return cut;
}
