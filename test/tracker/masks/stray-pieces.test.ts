import { describe, expect, it } from "vitest";
import { removeStrayPieces } from "../../../tracker/masks/stray-pieces.js";

const SIDE = 12;

/** A mask with rectangles: left, top, width and height in pixels. */
function maskOf(...boxes: (readonly [x: number, y: number, width: number, height: number])[]): Float32Array {
  return Float32Array.from({ length: SIDE * SIDE }, (_, pixel) => {
    const [column, row] = [pixel % SIDE, Math.floor(pixel / SIDE)];
    const isInside = boxes.some(
      ([x, y, width, height]) => column >= x && column < x + width && row >= y && row < y + height,
    );
    return isInside ? 3 : -3;
  });
}

const pictureOf = (mask: Float32Array) => [...mask].map((logit) => (logit > 0 ? "#" : ".")).join("");

/** Area 16: one square root of the area is 4 pixels. */
const object = [0, 0, 4, 4] as const;
const remove = (mask: Float32Array, given: Float32Array[] = [], last = maskOf(object)) =>
  pictureOf(removeStrayPieces(mask, SIDE, last, given, 0.8));

describe("pieces of a tracked mask", () => {
  it("are removed when they are far from the piece that continues the last mask", () => {
    const [near, far] = [[6, 0, 2, 2] as const, [8, 8, 4, 4] as const];
    expect(remove(maskOf(object, near, far))).toBe(pictureOf(maskOf(object, near)));
    // A gap of 0.8 square roots is 3.2 pixels, from the last column of the object.
    const [within, beyond] = [[object[2] + 2, 0, 1, 2] as const, [object[2] + 3, 0, 1, 2] as const];
    expect(remove(maskOf(object, within))).toBe(pictureOf(maskOf(object, within)));
    expect(remove(maskOf(object, beyond))).toBe(pictureOf(maskOf(object)));
  });

  it("belong to the object that was there, unless another piece has more than twice its area", () => {
    const kept = (other: readonly [number, number, number, number]) =>
      pictureOf(removeStrayPieces(maskOf(object, other), SIDE, maskOf(object), [], 0.3));
    const [twice, more] = [[4, 8, 8, 4] as const, [5, 6, 7, 6] as const]; // 32 and 42 pixels, the object has 16
    expect(kept(twice)).toBe(pictureOf(maskOf(object)));
    expect(kept(more)).toBe(pictureOf(maskOf(more)));
  });

  it("stay when none of them continues the last mask, or when there is only one", () => {
    const both = maskOf([0, 6, 4, 4], [8, 0, 2, 2]);
    expect(remove(both)).toBe(pictureOf(both));
    const moved = maskOf([8, 8, 3, 3]);
    expect(removeStrayPieces(moved, SIDE, maskOf(object), [], 0.8)).toBe(moved);
  });

  it("stay when the main piece is less than a quarter of a given mask: the object may be found again in another one", () => {
    const rest = maskOf([0, 0, 2, 2], [9, 9, 3, 1]);
    const whole = (width: number) => maskOf([0, 0, width, 4]);
    expect(remove(rest, [whole(4)])).toBe(pictureOf(maskOf([0, 0, 2, 2])));
    expect(remove(rest, [whole(5)])).toBe(pictureOf(rest));
  });

  it("may be as far apart as in a given mask, and half as far again", () => {
    const apart = (column: number) => maskOf(object, [column, 0, 3, 4]);
    const given = apart(7); // a gap of 4 pixels: 1 square root
    expect(remove(apart(9), [given])).toBe(pictureOf(apart(9)));
    expect(remove(apart(9), [maskOf(object)])).toBe(pictureOf(maskOf(object)));
    expect(remove(apart(11), [given])).toBe(pictureOf(maskOf(object)));
  });
});
