import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeMask, encodeMask, type Mask, polygonsOf, rleOfPolygons } from "../../protocol/index.js";
import { anyMasks, drawn, iou, shapes } from "../helpers/masks.js";

const toRle = ({ data, width, height }: Mask) => encodeMask(data, width, height);

function roundTrip(mask: Mask, tolerancePx: number): Mask {
  const rle = toRle(mask);
  return decodeMask(rleOfPolygons(polygonsOf(rle, tolerancePx), rle.size));
}

describe("polygons", () => {
  it("follow the edges of pixels", () => {
    expect(polygonsOf(toRle(drawn("....", ".##.", "....")), 0)).toEqual([[1, 1, 1, 2, 3, 2, 3, 1]]);
    expect(polygonsOf(toRle(drawn("##", "##")), 0)).toEqual([[0, 0, 0, 2, 2, 2, 2, 0]]);
    expect(polygonsOf(toRle(drawn("..", "..")), 0)).toEqual([]);
  });

  it("have one ring for each piece and each hole", () => {
    const rings = polygonsOf(toRle(drawn("#####.#", "#...#.#", "#.#.#..", "#...#..", "#####..")), 0);
    expect(rings).toHaveLength(4);
  });

  it("are exact without tolerance", () => {
    fc.assert(
      fc.property(anyMasks, (mask) => {
        expect(roundTrip(mask, 0)).toEqual(mask);
      }),
      { numRuns: 200 },
    );
  });

  it("keep small, thin and large pieces and holes with a tolerance", () => {
    fc.assert(
      fc.property(anyMasks, fc.double({ min: 0, max: 50, noNaN: true }), (mask, tolerancePx) => {
        const rings = polygonsOf(toRle(mask), tolerancePx);
        expect(rings).toHaveLength(polygonsOf(toRle(mask), 0).length);
        for (const ring of rings) expect(ring.length).toBeGreaterThanOrEqual(6);
      }),
    );
  });

  it("differ little from the mask with a tolerance of one pixel", () => {
    fc.assert(
      fc.property(shapes(60, 160), (mask) => {
        const pixels = mask.data.reduce((sum, bit) => sum + bit, 0);
        fc.pre(pixels > 400);
        expect(iou(roundTrip(mask, 1), mask)).toBeGreaterThan(0.9);
      }),
      { numRuns: 100 },
    );
  });

  it("of a circle have few corners and an IoU above 0.98", () => {
    const side = 200;
    const data = Uint8Array.from({ length: side * side }, (_, at) =>
      Math.hypot((at % side) - 100, Math.floor(at / side) - 100) < 80 ? 1 : 0,
    );
    const mask = { width: side, height: side, data };
    const [ring] = polygonsOf(toRle(mask), 1);
    expect(ring?.length).toBeLessThan(80);
    expect(iou(roundTrip(mask, 1), mask)).toBeGreaterThan(0.98);
  });

  it("from elsewhere fill the pixels whose centre is inside an odd number of rings", () => {
    const size: [number, number] = [4, 4];
    const square = [0.6, 0.6, 3.4, 0.6, 3.4, 3.4, 0.6, 3.4];
    expect(decodeMask(rleOfPolygons([square], size))).toEqual(drawn("....", ".##.", ".##.", "...."));
    expect(decodeMask(rleOfPolygons([square, [-9, -9, 99, -9, 99, 99, -9, 99]], size))).toEqual(
      drawn("####", "#..#", "#..#", "####"),
    );
  });
});
