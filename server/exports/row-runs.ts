/** Masks as CVAT has them: run lengths of the rows in a box, background first. */
import { type CocoRle, decodeMask, encodeMask, maskBox, type PixelBox } from "../../protocol/index.js";
import { placeMask } from "./crop.js";

export interface RowRuns {
  runs: number[];
  /** The tight box of the mask. */
  box: PixelBox;
}

export function rowRunsOf(mask: CocoRle): RowRuns {
  const box = maskBox(mask);
  const [left, top, width, height] = box;
  const { data, width: stride } = decodeMask(mask);
  const runs: number[] = [];
  let value = 0;
  let length = 0;
  for (let y = top; y < top + height; y++) {
    for (let x = left; x < left + width; x++) {
      const pixel = data[y * stride + x] as number;
      if (pixel !== value) {
        runs.push(length);
        value = pixel;
        length = 0;
      }
      length++;
    }
  }
  runs.push(length);
  return { runs, box };
}

/**
 * The mask on a picture. Pixels outside the picture are dropped.
 * @param runs whole numbers from 0. Pixels after the last run are background, and pixels after the box are dropped
 * @param size height, width of the picture
 */
export function maskOfRowRuns(
  runs: readonly number[],
  [left, top, width, height]: PixelBox,
  size: CocoRle["size"],
): CocoRle {
  const bits = new Uint8Array(width * height);
  let at = 0;
  runs.forEach((length, index) => {
    if (index % 2 === 1) bits.fill(1, at, at + length);
    at += length;
  });
  return placeMask(encodeMask(bits, width, height), [left, top], size);
}
