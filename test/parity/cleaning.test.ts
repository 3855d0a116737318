/** Compares hole filling and speck removal with `scipy.ndimage.label`, on noise recorded by `training/parity/cleaning.py`. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { fillHoles } from "../../tracker/masks/fill-holes.js";
import { type ArrayRef, goldenDir, openArrays } from "./golden.js";

const folder = path.join(goldenDir, "..", "cleaning");
const { cases }: { cases: { largest: number; logits: ArrayRef; cleaned: ArrayRef }[] } = JSON.parse(
  readFileSync(path.join(folder, "golden.json"), "utf8"),
);

describe("cleaning masks as scipy's components say", () => {
  const { tensor } = openArrays(folder);
  test.each(cases.map((each) => [each.logits.shape[1], each.largest, each] as const))(
    "side %d, up to %d pixels",
    (side = 0, largest, { logits, cleaned }) => {
      const [given, wanted] = [tensor(logits).data as Float32Array, tensor(cleaned).data as Float32Array];
      const pixels = side * side;
      for (let start = 0; start < given.length; start += pixels) {
        const result = fillHoles(given.slice(start, start + pixels), side, largest);
        expect(result).toEqual(wanted.slice(start, start + pixels));
      }
    },
  );
});
