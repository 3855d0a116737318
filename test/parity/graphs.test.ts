/** Compares every graph of every golden pack with the tensors that transformers computes from the same weights. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RunGraph, Tensor } from "../../detector/graph.js";
import { roundToBfloat16 } from "../../memory/bfloat16.js";
import { openGraphs } from "../../server/engine/graphs.js";
import { openPack } from "../../server/packs/pack.js";
import { type GraphCase, goldenNames, openGolden } from "./golden.js";

/** Largest allowed error, relative to the largest value of the tensor. */
const RELATIVE_ERROR = 1e-4;
/** SAM stores memories in bfloat16, with 8 significant bits. Values close to halfway between two neighbours may round to either. */
const BFLOAT16_STEP = 2 ** -8;
const ROUNDED_THE_OTHER_WAY = 0.01;
const COSINE = 0.99999;

describe.each(goldenNames())("the graphs of %s", (name) => {
  const golden = openGolden(name);
  let directory: string;
  let run: RunGraph;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), "masklet-parity-"));
    await golden.unpack(directory);
    ({ run } = await openGraphs(await openPack(directory), {
      providers: ["cpu"],
      threads: 1,
      warn: (message) => {
        throw new Error(message);
      },
    }));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  test.each(golden.graphs.map((graphCase) => [describeCase(graphCase), graphCase] as const))(
    "%s",
    async (_, { role, inputs, outputs }) => {
      const given = Object.fromEntries(Object.entries(inputs).map(([key, ref]) => [key, golden.tensor(ref)]));
      const wanted = Object.fromEntries(
        Object.entries(outputs).map(([key, ref]) => [key, golden.tensor(ref)]),
      );
      const answered = await run(role, given, fetched(role, Object.keys(wanted)));
      const chosen = role === "segment" ? chooseBest(answered) : answered;
      for (const [key, expected] of Object.entries(wanted)) {
        const actual = chosen[key] as Tensor;
        expect(actual.data.length, `values of ${key}`).toBe(expected.data.length);
        const rounded = role === "remember" && golden.family !== "edgetam";
        const { relativeError, cosine, unequal } = compare(rounded ? asKept(actual) : actual, expected);
        expect(relativeError, `largest error of ${key}`).toBeLessThanOrEqual(
          rounded ? BFLOAT16_STEP : RELATIVE_ERROR,
        );
        if (rounded) expect(unequal, `share of unequal ${key}`).toBeLessThanOrEqual(ROUNDED_THE_OTHER_WAY);
        expect(cosine, `cosine of ${key}`).toBeGreaterThanOrEqual(COSINE);
      }
    },
  );

  test("the cases cover every graph, with several objects, memories and pointers", () => {
    const finds = golden.family === "sam3" ? ["text", "detect"] : [];
    expect(new Set(golden.graphs.map(({ role }) => role))).toEqual(
      new Set(["encode", "segment", "seed", "track", "remember", ...finds]),
    );
    const tracks = golden.graphs.filter(({ role }) => role === "track");
    const counts = (input: string, axis: number) =>
      new Set(tracks.map(({ inputs }) => inputs[input]?.shape[axis]));
    expect(counts("memory", 0)).toEqual(new Set([1, 3]));
    expect(counts("memory", 1).size).toBeGreaterThanOrEqual(3);
    expect(counts("pointers", 1)).toContain(0);
    expect(counts("points", 1)).toEqual(new Set([1, 3]));
  });
});

function describeCase({ role, inputs }: GraphCase): string {
  const shapes = Object.entries(inputs)
    .filter(([name]) => !name.startsWith("feat"))
    .map(([name, { shape }]) => `${name} ${shape.join("x")}`);
  return `${role}: ${shapes.join(", ")}`;
}

/** `segment` returns all candidates and the index of the best one; transformers returns the best one. */
function fetched(role: string, names: string[]): string[] {
  return role === "segment" ? ["masks", "iou", "score", "pointer", "best"] : names;
}

function chooseBest(outputs: Record<string, Tensor>): Record<string, Tensor> {
  const best = outputs.best as Tensor;
  const row = ({ dims, data }: Tensor): Tensor => {
    const size = data.length / best.data.length / 4;
    const rows = [...best.data].flatMap((index, b) => [
      ...data.subarray((b * 4 + index) * size, (b * 4 + index + 1) * size),
    ]);
    return {
      type: "float32",
      dims: [best.data.length, ...dims.slice(2)],
      data: Float32Array.from(rows),
    };
  };
  const { masks, iou, pointer, score } = outputs;
  return {
    mask: row(masks as Tensor),
    iou: row(iou as Tensor),
    pointer: row(pointer as Tensor),
    score: score as Tensor,
  };
}

/** Rounds a memory to bfloat16, as the tracker stores it. */
function asKept(memory: Tensor): Tensor {
  return { ...memory, type: "float32", data: roundToBfloat16(memory.data as Float32Array) };
}

function compare(actual: Tensor, expected: Tensor) {
  let worst = 0;
  let largest = 0;
  let product = 0;
  let actualSquares = 0;
  let expectedSquares = 0;
  let unequal = 0;
  for (let at = 0; at < expected.data.length; at++) {
    const [a, e] = [actual.data[at] as number, expected.data[at] as number];
    worst = Math.max(worst, Math.abs(a - e));
    unequal += Number(a !== e) / expected.data.length;
    largest = Math.max(largest, Math.abs(e));
    product += a * e;
    actualSquares += a * a;
    expectedSquares += e * e;
  }
  const length = Math.sqrt(actualSquares * expectedSquares);
  return {
    relativeError: worst / Math.max(largest, 1e-6),
    cosine: length === 0 ? 1 : product / length,
    unequal,
  };
}
