import { describe, expect, it } from "vitest";
import { fillHoles } from "../../tracker/fill-holes.js";

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

  it("keeps what is larger than the limit, counting diagonal neighbours", () => {
    const mask = draw("####..", "#..#..", "####..", "......", "...#..", "....#.");
    expect(fillHoles(mask, 6, 1)).toBe(mask);
  });

  it("removes pieces of at most half of the mask, as SAM 3 does: two equal ones both go, a single one stays", () => {
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

  it("does not touch its input, and does nothing when it is off", () => {
    const mask = draw("###", "#.#", "###");
    const before = mask.slice();
    expect(fillHoles(mask, 3, 1)).not.toBe(mask);
    expect(mask).toEqual(before);
    expect(fillHoles(mask, 3, 0)).toBe(mask);
  });
});
