import { expect, test } from "vitest";
import { rleOfPolygons } from "../../../protocol/polygons.js";
import { decodeMask } from "../../../protocol/rle.js";
import { coverageOf } from "../../../tracker/masks/given-mask.js";
import { gridMask } from "../../../tracker/masks/grid-mask.js";
import { weightedSums } from "../../../tracker/masks/weighted-runs.js";

const weightsOf = (cells: number, length: number) =>
  Array.from({ length: cells }, (_, cell) => {
    const first = Math.floor((cell * length) / cells);
    return {
      first,
      weights: Array.from({ length: Math.ceil(length / cells) + 2 }, (_one, at) => 1 + ((cell + at) % 3)),
    };
  });

test("sums weights over runs as over pixels", () => {
  const [width, height] = [61, 47];
  const mask = rleOfPolygons(
    [
      [0, 0, 61, 0, 61, 47, 40, 47, 40, 10, 20, 10, 20, 47, 0, 47],
      [5, 5, 15, 9, 9, 30],
    ],
    [height, width],
  );
  const { data } = decodeMask(mask);
  const [across, down] = [weightsOf(7, width), weightsOf(5, height)];
  const expected = down.flatMap((rows) =>
    across.map((columns) => {
      let sum = 0;
      rows.weights.forEach((tall, y) => {
        columns.weights.forEach((wide, x) => {
          const [row, column] = [rows.first + y, columns.first + x];
          if (row < height && column < width && data[row * width + column]) sum += tall * wide;
        });
      });
      return sum;
    }),
  );
  expect([...weightedSums(mask, across, down)]).toEqual(expected);
});

/** One shape in pictures below and above the size from which runs are used: the grids differ by the pixels of its edge. */
const shapeIn = (side: number) =>
  rleOfPolygons(
    [
      [0.1, 0.1, 0.9, 0.2, 0.7, 0.9, 0.4, 0.5].map((share) => share * side),
      [0.3, 0.3, 0.5, 0.3, 0.4, 0.4].map((share) => share * side),
    ],
    [side, side],
  );

test.each([
  ["coverageOf", (side: number) => coverageOf(shapeIn(side), 64)],
  ["gridMask", (side: number) => gridMask(shapeIn(side), 64)],
])("%s of a large picture is that of a small one", (_name, gridOf) => {
  const [small, large] = [gridOf(2000), gridOf(2100)];
  const largest = small.reduce(
    (most, value, at) => Math.max(most, Math.abs(value - (large[at] as number))),
    0,
  );
  expect(largest).toBeLessThan(0.5);
  const mean =
    small.reduce((sum, value, at) => sum + Math.abs(value - (large[at] as number)), 0) / small.length;
  expect(mean).toBeLessThan(0.005);
});

test("a mask of 134 megapixels becomes a grid without its bitmap", () => {
  const mask = rleOfPolygons([[0, 0, 11_585, 0, 11_585, 11_585]], [11_585, 11_585]);
  const before = process.memoryUsage().arrayBuffers;
  expect(coverageOf(mask, 256)[255]).toBeCloseTo(1, 1);
  expect(gridMask(mask, 64)[63]).toBeGreaterThan(0);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20e6);
});
