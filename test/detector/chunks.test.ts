import fc from "fast-check";
import { expect, it } from "vitest";
import { chunksOf } from "../../detector/chunks.js";

it("keeps all items in their order, in as few runs as possible, of sizes that differ by one at most", () => {
  fc.assert(
    fc.property(fc.array(fc.integer(), { maxLength: 400 }), fc.integer({ min: 1, max: 64 }), (items, max) => {
      const chunks = chunksOf(items, max);
      const sizes = chunks.map((chunk) => chunk.length);
      expect(chunks.flat()).toEqual(items);
      expect(chunks).toHaveLength(Math.ceil(items.length / max));
      if (items.length > 0) expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      expect(sizes.every((size) => size <= max)).toBe(true);
    }),
  );
});

it("leaves no item alone in a run, unless it is the only one", () => {
  for (let max = 3; max <= 64; max++)
    for (let count = 2; count <= 400; count++)
      expect(chunksOf(Array.from({ length: count }), max).every((chunk) => chunk.length > 1)).toBe(true);
});
