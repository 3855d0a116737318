import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fillHoles } from "../../../tracker/masks/fill-holes.js";

/** "#" is inside. */
function draw(...rows: string[]): Float32Array {
  return Float32Array.from(rows.join(""), (pixel) => (pixel === "#" ? 4 : -4));
}

function show(mask: Float32Array, side: number): string[] {
  const pixels = [...mask].map((logit) => (logit > 0 ? "#" : ".")).join("");
  return pixels.match(new RegExp(`.{${side}}`, "g")) ?? [];
}

describe("cleaning a mask", () => {
  it("fills small holes and removes small specks", () => {
    const mask = draw("#####..", "#.###..", "#####..", "#####..", ".......", ".....#.", ".......");
    expect(show(fillHoles(mask, 7, 2), 7)).toEqual([
      "#####..",
      "#####..",
      "#####..",
      "#####..",
      ".......",
      ".......",
      ".......",
    ]);
  });

  it("keeps holes and specks larger than the limit, with 8-connected components", () => {
    const mask = draw("####..", "#..#..", "####..", "......", "...#..", "....#.");
    expect(fillHoles(mask, 6, 1)).toBe(mask);
  });

  it("removes pieces of at most half of the mask, as SAM 3 does: two equal pieces are removed, a single one is kept", () => {
    expect(show(fillHoles(draw("##..", "....", "##..", "...."), 4, 4), 4)).toEqual([
      "....",
      "....",
      "....",
      "....",
    ]);
    expect(show(fillHoles(draw("#...", "....", "....", "...."), 4, 4), 4)).toEqual([
      "#...",
      "....",
      "....",
      "....",
    ]);
  });

  it("does not change its input, and does nothing when it is off", () => {
    const mask = draw("###", "#.#", "###");
    const before = mask.slice();
    expect(fillHoles(mask, 3, 1)).not.toBe(mask);
    expect(mask).toEqual(before);
    expect(fillHoles(mask, 3, 0)).toBe(mask);
  });
});

it("matches a pixel-by-pixel flood fill", () => {
  const side = 6;
  const masks = fc.array(fc.boolean(), { minLength: side * side, maxLength: side * side });
  fc.assert(
    fc.property(masks, fc.integer({ min: 1, max: 6 }), (pixels, maxArea) => {
      const mask = Float32Array.from(pixels, (inside) => (inside ? 4 : -4));
      const cleaned = fillHoles(mask, side, maxArea);
      const filled = mask.map((logit, pixel) =>
        logit <= 0 && flood(mask, side, pixel).length <= maxArea ? 0.1 : logit,
      );
      const limit = Math.min(maxArea, Math.floor(filled.filter((logit) => logit > 0).length / 2));
      const expected = filled.map((logit, pixel) =>
        logit > 0 && flood(filled, side, pixel).length <= limit ? -0.1 : logit,
      );
      expect(cleaned).toEqual(expected);
    }),
  );
});

/** The pixels of the connected component of a pixel. */
function flood(mask: Float32Array, side: number, seed: number): number[] {
  const found = new Set([seed]);
  for (const pixel of found) {
    for (const [dx, dy] of [-1, 0, 1].flatMap((x) => [-1, 0, 1].map((y) => [x, y] as const))) {
      const x = (pixel % side) + dx;
      const y = Math.floor(pixel / side) + dy;
      if (x < 0 || y < 0 || x >= side || y >= side) continue;
      const next = y * side + x;
      if ((mask[next] as number) > 0 === (mask[seed] as number) > 0) found.add(next);
    }
  }
  return [...found];
}
