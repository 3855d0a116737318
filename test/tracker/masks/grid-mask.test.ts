import { describe, expect, it } from "vitest";
import { encodeMask } from "../../../protocol/rle.js";
import { gridMask } from "../../../tracker/masks/grid-mask.js";

/** A mask of a rectangle: left, top, right, bottom in pixels. */
function rectangle(width: number, height: number, [x0, y0, x1, y1]: [number, number, number, number]) {
  const bits = new Uint8Array(width * height);
  for (let y = y0; y < y1; y++) bits.fill(1, y * width + x0, y * width + x1);
  return encodeMask(bits, width, height);
}

const inside = (logits: Float32Array) => [...logits].flatMap((logit, cell) => (logit > 0 ? [cell] : []));

describe("a mask on the grid of the model", () => {
  it("contains the cells that the mask covers by half or more", () => {
    expect(inside(gridMask(rectangle(16, 8, [4, 2, 12, 6]), 4))).toEqual([5, 6, 9, 10]);
    expect(inside(gridMask(rectangle(16, 8, [6, 2, 9, 4]), 4))).toEqual([5]);
  });

  it("has logits that grow with the covered share of a cell", () => {
    const logits = gridMask(rectangle(8, 8, [0, 0, 3, 2]), 4);
    expect([logits[0], logits[1], logits[2]]).toEqual([10, expect.closeTo(1), -10]);
  });

  it("keeps a small mask, and keeps an empty one empty", () => {
    expect(inside(gridMask(rectangle(640, 360, [100, 100, 104, 103]), 4))).toEqual([4]);
    expect(inside(gridMask(rectangle(640, 360, [0, 0, 0, 0]), 4))).toEqual([]);
  });

  it("covers the grid when the video is smaller than it", () => {
    expect(inside(gridMask(rectangle(3, 2, [0, 0, 3, 2]), 5))).toHaveLength(25);
  });
});
