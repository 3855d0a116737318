/** The grid on which a detection mask is thresholded before it becomes an input mask of the model. */
import { expect, it } from "vitest";
import type { Detection } from "../../../detector/detect.js";
import type { RunGraph, Tensor } from "../../../detector/graph.js";
import { maskBits, maskExtent } from "../../../detector/mask-bits.js";
import { enlarge } from "../../../tracker/masks/resize.js";
import { trackedObservation } from "../../../tracker/observation.js";
import { createParts } from "../../../tracker/parts.js";
import type { PresetName } from "../../../tracker/presets.js";
import { startObjects } from "../../../tracker/sam3/new-objects.js";
import { planCorrections } from "../../../tracker/sam3/recondition.js";
import { areaOf, createTraceBench, maskOf, SIDE } from "../trace-bench.js";

/** As in a real pack, the image is larger than the masks. */
const S = 2 * SIDE;
const maskLogits = maskOf([4, 4, 5, 5], 8, -2);
const features = Object.fromEntries(
  ["feat", "feat_s1", "feat_s0"].map((name) => [
    name,
    { type: "float32", dims: [1], data: new Float32Array(1) },
  ]),
) as unknown as Parameters<typeof startObjects>[1];

function setUp(preset: PresetName) {
  const seeds: Tensor[] = [];
  const run: RunGraph = async (role, inputs, fetch) => {
    const B = inputs.mask?.dims[0] ?? 0;
    if (role === "seed") seeds.push(inputs.mask as Tensor);
    const sizes: Record<string, number> = { pointer: 8, mask_logits: SIDE * SIDE, memory: 4 };
    const data = (name: string) => new Float32Array(B * (sizes[name] ?? 0));
    return Object.fromEntries(fetch.map((name) => [name, { type: "float32", dims: [B], data: data(name) }]));
  };
  const { options } = createTraceBench({ detect: () => [] }, preset);
  const parts = createParts({ ...options, run, geometry: { ...options.geometry, S } });
  const birth = { conceptKey: 0, prob: 0.9, bornFrame: 0, motion: null, confirmed: true };
  return { parts, seeds, masklet: parts.registry.create(birth) };
}

const sideOf = (mask: Tensor | undefined) => mask?.dims.at(-1);

it("is the image grid in sam3, after enlarging, and the mask grid in transformers", async () => {
  const start = async (preset: PresetName) => {
    const { parts, seeds, masklet } = setUp(preset);
    await startObjects(parts, features, 0, [masklet], [maskLogits]);
    return [sideOf(seeds[0]), areaOf(seeds[0]?.data as Float32Array)];
  };
  const fine = areaOf(enlarge(maskLogits, SIDE, S));
  expect(fine).toBeGreaterThan(100);
  expect([await start("sam3"), await start("transformers")]).toEqual([
    [S, fine],
    [SIDE, 25],
  ]);
});

it("is the same when a detection corrects a track", async () => {
  const { parts, seeds, masklet } = setUp("sam3");
  const pointer = new Float32Array(8);
  const observation = trackedObservation(masklet, { maskLogits, score: 5, iou: 0.9, pointer }, maskLogits);
  const detection: Detection = {
    concepts: new Set([0]),
    score: 0.9,
    maskLogits,
    bits: maskBits(maskLogits),
    extent: maskExtent(maskLogits, SIDE) as Detection["extent"],
  };
  const findings = { born: [], unmatched: [], empty: [], matched: [[masklet.id]] };
  const confirmed = new Map([[masklet.id, 0]]);
  await planCorrections(parts, features, 16, [observation], [detection], { ...findings, confirmed });
  expect([sideOf(seeds[0]), areaOf(seeds[0]?.data as Float32Array)]).toEqual([
    S,
    areaOf(enlarge(maskLogits, SIDE, S)),
  ]);
});
