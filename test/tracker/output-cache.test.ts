import { describe, expect, it } from "vitest";
import { encodeMask } from "../../protocol/rle.js";
import type { RenderedObject } from "../../tracker/masks/render.js";
import { createOutputCache } from "../../tracker/output-cache.js";

function drawn(objectId: number): RenderedObject {
  const bits = Uint8Array.of(1, 1, 1, 1);
  const mask = encodeMask(bits, 2, 2);
  return { objectId, prob: 1, claim: { group: null, prob: null }, box: [0, 0, 2, 2], mask, bits };
}

describe("the cache of visited frames", () => {
  it("stores run lengths, which are small, and no bits", () => {
    const cache = createOutputCache(4);
    const { bits: _, ...kept } = drawn(1);
    cache.set(0, [drawn(1)]);
    expect(cache.get(0)).toEqual([kept]);
  });

  it("drops the frame that was set longest ago", () => {
    const cache = createOutputCache(2);
    for (const frameIndex of [0, 1, 0, 2]) cache.set(frameIndex, [drawn(1)]);
    expect([0, 1, 2].map((frameIndex) => cache.has(frameIndex))).toEqual([true, false, true]);
  });
});
