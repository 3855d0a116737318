import { describe, expect, it } from "vitest";
import { encodeMask } from "../../../protocol/rle.js";
import { coverageLogits, coverageOf, gridRuns } from "../../../tracker/masks/given-mask.js";

const mask = (width: number, rows: readonly string[]) =>
  encodeMask(
    Uint8Array.from(rows.join(""), (pixel) => (pixel === "#" ? 1 : 0)),
    width,
    rows.length,
  );

describe("a mask on a grid", () => {
  it("is the antialiased bilinear resize of PyTorch", () => {
    // Weights of the first cell: 0.75, 0.75, 0.25 of 1.75 along each axis.
    const columns = ["##..", "##..", "##..", "##.."];
    const shares = coverageOf(mask(4, columns), 2);
    expect(shares[0]).toBeCloseTo(1.5 / 1.75);
    expect(shares[1]).toBeCloseTo(0.25 / 1.75);
    expect(shares[2]).toBeCloseTo(1.5 / 1.75);
    expect([...coverageOf(mask(2, ["#.", ".#"]), 2)]).toEqual([1, 0, 0, 1]);
  });

  it("is stretched to the square grid, also from a smaller picture", () => {
    expect([...coverageOf(mask(8, ["####....", "####...."]), 2)].map(Math.round)).toEqual([1, 0, 1, 0]);
    expect([...coverageOf(mask(2, ["#."]), 4)].map(Math.round).slice(0, 4)).toEqual([1, 1, 0, 0]);
  });

  it("covers the cells of a mask that covers no cell by half", () => {
    const dot = mask(16, ["................", "................", "..#............."]);
    const shares = coverageOf(dot, 4);
    expect([...shares].filter((share) => share > 0.5).length).toBeGreaterThan(0);
    expect(gridRuns(coverageLogits(shares), 4).counts).not.toBe(
      mask(4, ["....", "....", "....", "...."]).counts,
    );
  });
});
