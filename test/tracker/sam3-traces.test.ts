/** The conformance traces of SAM 3's video pipeline that concern detecting and tracking; one test each. */
import { describe, expect, it } from "vitest";
import { createTraceBench, type Found, type Rect, upTo } from "./trace-bench.js";

const A: Rect = [4, 4, 5, 5];
const B: Rect = [12, 12, 5, 5];
const C: Rect = [12, 3, 5, 5];
const found = (rect: Rect, score = 0.9): Found => ({ rect, score });

describe("detecting and tracking as SAM 3 does", () => {
  it("asks for more than the detector's threshold only while something is tracked (trace 2)", async () => {
    const script = {
      detect: (frame: number) =>
        frame >= 3 ? [found(A), found(B, 0.55), found(C, 0.65)] : [found(A), found(B, 0.55)],
    };
    const bench = createTraceBench(script, "sam3");
    const { result } = await bench.name(0);
    expect(result.objects.map(({ objectId }) => objectId)).toEqual([0, 1]);
    expect((await bench.visit(upTo(10))).every((ids) => ids.join() === "0,1")).toBe(true);
  });

  it.each(["sam3", "masklet", "transformers", "sam3-ablation"] as const)(
    "tracks what a phrase found, under %s",
    async (preset) => {
      const bench = createTraceBench({ detect: () => [found(A), found(B)] }, preset);
      expect((await bench.name(0)).result.objects.map(({ objectId }) => objectId)).toEqual([0, 1]);
      expect((await bench.visit(upTo(20))).every((ids) => ids.join() === "0,1")).toBe(true);
    },
  );
});
