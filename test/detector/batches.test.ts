/** Concepts over several calls of `detect`, with a scripted graph and with the real one. */
import { expect, it } from "vitest";
import { type Concept, type ConceptQuery, createConceptList, packQueries } from "../../detector/concepts.js";
import { CONCEPTS_PER_CALL, detect } from "../../detector/detect.js";
import { float32, floats, type RunGraph } from "../../detector/graph.js";
import { openGraphs } from "../../server/engine/graphs.js";
import { openPack } from "../../server/packs/pack.js";
import { presets } from "../../tracker/presets.js";
import { compactPackDir } from "../helpers/tiny-pack.js";

const m = 4;
const COUNT = 2 * CONCEPTS_PER_CALL + 1;

function concept(key: number): Concept {
  const text = Float32Array.of(key);
  return { key, phrase: `${key}`, text, textMask: new Int32Array(1), exemplars: new Map() };
}

/** Finds two instances of every concept, one in each half of the mask. The first score depends on the concept. */
function scripted(calls: number[]): RunGraph {
  return async (_, inputs) => {
    const keys = [...floats(inputs, "text")];
    calls.push(keys.length);
    const half = (lower: boolean) => Array.from({ length: m * m }, (_, i) => (i < 8 === lower ? -3 : 3));
    return {
      scores: float32([keys.length, 2], Float32Array.from(keys.flatMap((key) => [0.5 + key / 100, 0.9]))),
      masks: float32(
        [keys.length, 2, m, m],
        Float32Array.from(keys.flatMap(() => [...half(false), ...half(true)])),
      ),
    };
  };
}

async function detectScripted(count: number, keepRowOrder: boolean) {
  const calls: number[] = [];
  const queries = Array.from({ length: count }, (_, key) => ({ concept: concept(key), exemplars: [] }));
  const rules = { ...presets.sam3.detect, scoreThresholdDetection: 0.4, keepRowOrder };
  const trunk = float32([1], new Float32Array(1));
  const findings = await detect(scripted(calls), { trunk }, queries, { L: 1, D: 1, m }, rules);
  const found = findings.detections.map(({ concepts, score }) => [...concepts, Number(score.toFixed(2))]);
  return { calls, found, hasOutputs: Object.keys(findings.outputs).length > 0 };
}

it("detects few concepts in one call, and more in several calls", async () => {
  const few = await detectScripted(CONCEPTS_PER_CALL, true);
  expect([few.calls, few.hasOutputs]).toEqual([[CONCEPTS_PER_CALL], true]);
  const many = await detectScripted(COUNT, true);
  expect([many.calls, many.hasOutputs]).toEqual([[3, 2, 2], false]);
});

it("keeps the order over several calls: concept by concept, and row by row within a concept", async () => {
  const { found } = await detectScripted(COUNT, true);
  expect(found).toEqual(
    Array.from({ length: COUNT }, (_, key) => [
      [key, Number((0.5 + key / 100).toFixed(2))],
      [key, 0.9],
    ]).flat(),
  );
});

it("computes the same for a concept alone as for all concepts in one call", {
  timeout: 120_000,
}, async () => {
  const pack = await openPack(compactPackDir);
  const { S, m: side, L = 0, D } = pack.manifest.geometry;
  const { run } = await openGraphs(pack, { providers: ["cpu"], threads: 1, warn: () => {} });
  const rgb = new Uint8Array(S * S * 3).fill(110);
  for (let y = S / 4; y < S / 2; y++)
    for (let x = S / 4; x < S / 2; x++) rgb.set([220, 30, 30], (y * S + x) * 3);
  const image = { type: "uint8" as const, dims: [1, S, S, 3], data: rgb };
  const { trunk } = await run("encode", { image }, ["trunk"]);
  if (!trunk || !pack.tokenize) throw new Error("the pack does not detect");
  const list = createConceptList({ run, tokenize: pack.tokenize, L, D, exemplarPhrase: null });
  const phrases = ["red square", "blue circle", "green triangle"].flatMap((phrase) => [
    phrase,
    `small ${phrase}`,
  ]);
  for (const phrase of phrases) await list.add({ phrase, exemplars: [], frameIndex: 0 });
  expect(phrases.length).toBeGreaterThan(CONCEPTS_PER_CALL);
  const queries: ConceptQuery[] = list.all.map((one) => ({ concept: one, exemplars: [] }));

  const frame = { trunk, aspect: float32([1], Float32Array.of(1)) };
  const together = await run("detect", { ...frame, ...packQueries(queries, L, D) }, ["scores", "masks"]);
  const K = floats(together, "scores").length / queries.length;
  let difference = 0;
  for (const [row, query] of queries.entries()) {
    const alone = await run("detect", { ...frame, ...packQueries([query], L, D) }, ["scores", "masks"]);
    for (const [name, size] of [
      ["scores", K],
      ["masks", K * side * side],
    ] as const) {
      const expected = floats(together, name).subarray(row * size, (row + 1) * size);
      floats(alone, name).forEach((value, i) => {
        difference = Math.max(difference, Math.abs(value - (expected[i] as number)));
      });
    }
  }
  expect(difference).toBeLessThan(1e-3);
});
