import { expect, it } from "vitest";
import { pieceAt } from "../../../tracker/masks/pieces.js";

/** Two pieces: three pixels that touch at corners, and one pixel. */
const mask = Float32Array.of(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0);

it("finds the piece of a mask at a point, or next to it", () => {
  const at = (column: number, row: number) =>
    [...pieceAt(mask, 5, [(column + 0.5) / 5, (row + 0.5) / 5])].sort((a, b) => a - b);
  expect([at(0, 4), at(1, 4)]).toEqual([[20], [20]]);
  expect(at(4, 4)).toEqual([]);
  expect(pieceAt(mask, 5, [1, 1])).toEqual([]);
  expect(at(0, 0)).toEqual([0, 5, 10]);
});
