/** Masks for property tests. */
import fc from "fast-check";
import type { Mask } from "../../protocol/rle.js";

/** A mask drawn in rows: "#" is inside, "." is outside. */
export function drawn(...rows: string[]): Mask {
  const width = rows[0]?.length ?? 0;
  return {
    width,
    height: rows.length,
    data: Uint8Array.from(rows.join(""), (pixel) => (pixel === "#" ? 1 : 0)),
  };
}

/** An ellipse or, with `power` above 2, a rounder rectangle; `value` 0 cuts a hole. */
interface Blob {
  x: number;
  y: number;
  radiusX: number;
  radiusY: number;
  power: number;
  value: 0 | 1;
}

function paint({ width, height, blobs }: { width: number; height: number; blobs: Blob[] }): Mask {
  const data = new Uint8Array(width * height);
  for (const { x, y, radiusX, radiusY, power, value } of blobs) {
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++) {
        const across = Math.abs(column + 0.5 - x * width) / (radiusX * width);
        const down = Math.abs(row + 0.5 - y * height) / (radiusY * height);
        if (across ** power + down ** power < 1) data[row * width + column] = value;
      }
    }
  }
  return { width, height, data };
}

const share = fc.double({ min: 0, max: 1, noNaN: true });
const radius = fc.double({ min: 0.02, max: 0.6, noNaN: true });

function blobs(maxLength: number) {
  return fc.array(
    fc.record<Blob>({
      x: share,
      y: share,
      radiusX: radius,
      radiusY: radius,
      power: fc.constantFrom(0.7, 1, 2, 8),
      value: fc.constantFrom(1, 1, 1, 0),
    }),
    { maxLength },
  );
}

/** Pieces with holes, like masks of objects: some touch the border, some are empty. */
export function shapes(minSide: number, maxSide: number): fc.Arbitrary<Mask> {
  const side = fc.integer({ min: minSide, max: maxSide });
  return fc.record({ width: side, height: side, blobs: blobs(6) }).map(paint);
}

/** Independent pixels, from almost empty to almost full. */
export const noise: fc.Arbitrary<Mask> = fc
  .record({ width: fc.integer({ min: 1, max: 24 }), height: fc.integer({ min: 1, max: 24 }), density: share })
  .chain(({ width, height, density }) =>
    fc
      .array(fc.double({ min: 0, max: 1, noNaN: true }), {
        minLength: width * height,
        maxLength: width * height,
      })
      .map((values) => ({
        width,
        height,
        data: Uint8Array.from(values, (value) => (value < density ? 1 : 0)),
      })),
  );

/** Shapes and noise. */
export const anyMasks = fc.oneof(shapes(1, 60), noise);

/** Pixels in both masks by pixels in either; 1 when both are empty. */
export function iou(a: Mask, b: Mask): number {
  let both = 0;
  let either = 0;
  a.data.forEach((bit, at) => {
    const other = b.data[at] as number;
    both += bit & other;
    either += bit | other;
  });
  return either === 0 ? 1 : both / either;
}
