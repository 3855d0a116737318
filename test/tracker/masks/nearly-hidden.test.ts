import { describe, expect, it } from "vitest";
import { isNearlyHidden } from "../../../tracker/masks/nearly-hidden.js";

/** A mask of 100 pixels of which the first `area` are inside. */
const maskOf = (area: number) => Float32Array.from({ length: 100 }, (_, pixel) => (pixel < area ? 2 : -2));

describe("an object", () => {
  it("is nearly hidden below a quarter of its largest given mask", () => {
    const given = [maskOf(8), maskOf(40)];
    expect(isNearlyHidden(9, given)).toBe(true);
    expect(isNearlyHidden(10, given)).toBe(false);
  });

  it("without a given mask is not", () => {
    expect(isNearlyHidden(0, [])).toBe(false);
  });
});
