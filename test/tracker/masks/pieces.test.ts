import { expect, it } from "vitest";
import { findPieces, largestPieceShare, pieceAt } from "../../../tracker/masks/pieces.js";

/** Two pieces: three pixels that touch at corners, and one pixel. */
const mask = Float32Array.of(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0);
const pieces = findPieces(mask, 5, true);

it("finds the pieces of a mask, and their areas", () => {
  expect(pieces.map(({ area }) => area)).toEqual([3, 1]);
  expect(findPieces(mask, 5, false).map(({ area }) => area)).toEqual([21]);
  expect(largestPieceShare(mask, 5)).toBe(0.75);
  expect(largestPieceShare(new Float32Array(25), 5)).toBe(1);
});

it("finds the piece of a mask at a point, or next to it", () => {
  const at = (column: number, row: number) => pieceAt(pieces, 5, [(column + 0.5) / 5, (row + 0.5) / 5]);
  expect([at(0, 4), at(1, 4)]).toEqual([pieces[1], pieces[1]]);
  expect(at(4, 4)).toBeUndefined();
  expect(pieceAt(pieces, 5, [1, 1])).toBeUndefined();
  expect(at(0, 0)).toBe(pieces[0]);
});
