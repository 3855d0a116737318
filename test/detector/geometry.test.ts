import fc from "fast-check";
import { expect, it } from "vitest";
import {
  type BoxXywh,
  boxIou,
  cxcywhToXyxy,
  xywhToCxcywh,
  xywhToXyxy,
  xyxyToCxcywh,
} from "../../detector/geometry.js";

const unit = fc.double({ min: 0, max: 1, noNaN: true });
const box = fc.tuple(unit, unit, unit, unit) as fc.Arbitrary<BoxXywh & [number, number, number, number]>;

it("converts between the three forms of a box without changing it", () => {
  expect(xywhToCxcywh([0.1, 0.2, 0.4, 0.6])).toEqual([0.30000000000000004, 0.5, 0.4, 0.6]);
  fc.assert(
    fc.property(box, (xywh) => {
      const corners = xywhToXyxy(xywh);
      for (const round of [cxcywhToXyxy(xywhToCxcywh(xywh)), cxcywhToXyxy(xyxyToCxcywh(corners))]) {
        for (const side of [0, 1, 2, 3] as const) expect(round[side]).toBeCloseTo(corners[side]);
      }
    }),
  );
});

it("computes the IoU of two boxes", () => {
  expect(boxIou([0, 0, 2, 2], [1, 1, 3, 3])).toBeCloseTo(1 / 7);
  expect(boxIou([0, 0, 1, 1], [1, 0, 2, 1])).toBe(0);
  expect(boxIou([0, 0, 0, 0], [0, 0, 0, 0])).toBe(0);
});
