/** The graphs of the embedded pack compute the same in chunks as in one run. */
import { beforeAll, expect, it } from "vitest";
import { chunksOf } from "../../detector/chunks.js";
import { type ConceptQuery, createConceptList, packQueries } from "../../detector/concepts.js";
import { float32, floats, int32, type Tensor, tensor } from "../../detector/graph.js";
import { type CompactPack, openCompactPack } from "../helpers/compact-session.js";

const COUNT = 7;
const MAX = 4;
const rows = Array.from({ length: COUNT }, (_, row) => row);
let compact: CompactPack;
let features: Record<string, Tensor>;

/** Values that repeat for each row index, whatever the batch. */
const noise = (row: number, length: number, scale: number) =>
  Float32Array.from({ length }, (_, at) => scale * Math.sin(at * 12.9898 + row * 78.233));

const stack = (batch: readonly number[], dims: readonly number[], scale: number) => {
  const length = dims.reduce((product, dim) => product * dim, 1);
  const data = new Float32Array(batch.length * length);
  for (const [at, row] of batch.entries()) data.set(noise(row, length, scale), at * length);
  return float32([batch.length, ...dims], data);
};

beforeAll(async () => {
  compact = await openCompactPack();
  const { S } = compact.pack.manifest.geometry;
  const image = {
    type: "uint8" as const,
    dims: [1, S, S, 3],
    data: new Uint8Array(noise(0, S * S * 3, 255)),
  };
  features = await compact.graphs.run("encode", { image }, ["feat", "feat_s1", "feat_s0", "trunk"]);
});

/** @param rounding largest difference between the values of one run and those of chunks */
async function expectSameValues(
  outputs: readonly string[],
  run: (batch: number[]) => Promise<Record<string, Tensor>>,
  rounding = 0,
) {
  const together = await run(rows);
  const chunks: Record<string, Tensor>[] = [];
  for (const batch of chunksOf(rows, MAX)) chunks.push(await run(batch));
  for (const name of outputs) {
    const inChunks = chunks.flatMap((chunk) => [...floats(chunk, name)]);
    const atOnce = floats(together, name);
    expect(inChunks.length).toBe(atOnce.length);
    const difference = (largest: number, value: number, at: number) =>
      Math.max(largest, Math.abs(value - (atOnce[at] as number)));
    expect(inChunks.reduce(difference, 0), name).toBeLessThanOrEqual(rounding);
  }
}

/** The values of all objects are read from memory in one matrix product; how its sums are rounded depends on its size. */
const TRACK_ROUNDING = 1e-5;

it("tracks objects", async () => {
  const { T, Dm, D } = compact.pack.manifest.geometry;
  const { trunk: _, ...levels } = features;
  const outputs = ["mask", "score", "pointer"];
  await expectSameValues(
    outputs,
    (batch) => {
      const B = batch.length;
      return compact.graphs.run(
        "track",
        {
          ...levels,
          memory: stack(batch, [2, T, Dm], 1),
          memory_t: int32(
            [B, 2],
            Int32Array.from({ length: B * 2 }, (_unused, at) => at % 2),
          ),
          pointers: stack(batch, [2, D], 1),
          pointer_dt: stack(batch, [2], 1),
          points: float32([B, 1, 2], new Float32Array(B * 2)),
          labels: int32([B, 1], new Int32Array(B).fill(-1)),
        },
        outputs,
      );
    },
    TRACK_ROUNDING,
  );
});

it("remembers masks", async () => {
  const { m } = compact.pack.manifest.geometry;
  await expectSameValues(["memory"], (batch) =>
    compact.graphs.run(
      "remember",
      {
        feat: tensor(features, "feat"),
        mask: stack(batch, [1, m, m], 20),
        score: float32([batch.length], new Float32Array(batch.length).fill(5)),
        binarize: float32([batch.length], new Float32Array(batch.length)),
      },
      ["memory"],
    ),
  );
});

it("detects concepts", async () => {
  const { L = 0, D } = compact.pack.manifest.geometry;
  const { run } = compact.graphs;
  if (!compact.pack.tokenize) throw new Error("the pack does not detect");
  const list = createConceptList({ run, tokenize: compact.pack.tokenize, L, D, exemplarPhrase: null });
  for (const row of rows) await list.add({ phrase: `shape ${row}`, exemplars: [], frameIndex: 0 });
  const queries = list.all.map((concept): ConceptQuery => ({ concept, exemplars: [] }));
  await expectSameValues(["scores", "masks"], (batch) => {
    const packed = packQueries(
      batch.flatMap((row) => queries[row] ?? []),
      L,
      D,
    );
    const aspect = float32([1], Float32Array.of(1.5));
    return run("detect", { trunk: tensor(features, "trunk"), aspect, ...packed }, ["scores", "masks"]);
  });
});
