import { beforeAll, describe, expect, test } from "vitest";
import { float32, int32 } from "../../../detector/graph.js";
import { type OpenGraphs, openGraphs } from "../../../server/engine/graphs.js";
import { openPack, type Pack } from "../../../server/packs/pack.js";
import { ELEMENT, withInputSize, withInputType, withoutInput } from "../../helpers/onnx-file.js";
import { compactPackDir, copyCompactPack, readManifest, renamed } from "../../helpers/tiny-pack.js";

async function open(directory: string, providers: string[] = ["cpu"]) {
  const warnings: string[] = [];
  const graphs = await openGraphs(await openPack(directory), {
    providers,
    threads: 1,
    warn: (message) => warnings.push(message),
  });
  return { graphs, warnings };
}

/** `[side, side]` logits, positive in the left half. */
function leftHalf(side: number): Float32Array {
  return Float32Array.from({ length: side * side }, (_, at) => (at % side < side / 2 ? 8 : -8));
}

describe("graphs that hold to the contract", () => {
  let pack: Pack;
  let graphs: OpenGraphs;
  beforeAll(async () => {
    pack = await openPack(compactPackDir);
    graphs = (await open(compactPackDir)).graphs;
  });

  const renderInputs = () => {
    const { m } = pack.manifest.geometry;
    return {
      mask: float32([1, 1, m, m], leftHalf(m)),
      size: int32([2], Int32Array.of(90, 160)),
      threshold: float32([], Float32Array.of(0)),
    };
  };

  test("a mask is rendered at the requested size, with its area and tight box", async () => {
    const { bits, area, bbox } = await graphs.run("render", renderInputs(), ["bits", "area", "bbox"]);
    expect(bits?.dims).toEqual([1, 90, 160]);
    expect([...(bbox?.data ?? [])]).toEqual([0, 0, 80, 90]);
    expect([...(area?.data ?? [])]).toEqual([80 * 90]);
    const row = [...(bits?.data.subarray(0, 160) ?? [])];
    expect(row).toEqual([...Array(80).fill(1), ...Array(80).fill(0)]);
  });

  test("only what is fetched comes back", async () => {
    expect(Object.keys(await graphs.run("render", renderInputs(), ["area"]))).toEqual(["area"]);
  });

  test("a frame becomes features of the pack's sizes, and a memory of them", async () => {
    const { S, g, D, m, T, Dm } = pack.manifest.geometry;
    const image = { type: "uint8" as const, dims: [1, S, S, 3], data: new Uint8Array(S * S * 3).fill(90) };
    const features = await graphs.run("encode", { image }, ["feat", "feat_s1", "feat_s0"]);
    expect(features.feat?.dims).toEqual([1, D, g, g]);
    expect(features.feat_s0?.dims).toEqual([1, D / 8, 4 * g, 4 * g]);
    const feat = features.feat;
    if (!feat) throw new Error("no feat");
    const one = float32([1], Float32Array.of(1));
    const mask = float32([1, 1, m, m], leftHalf(m));
    const { memory } = await graphs.run("remember", { feat, mask, score: one, binarize: one }, ["memory"]);
    expect(memory?.dims).toEqual([1, T, Dm]);
  });

  test("a frame is encoded while another graph runs", async () => {
    const { S } = pack.manifest.geometry;
    const image = { type: "uint8" as const, dims: [1, S, S, 3], data: new Uint8Array(S * S * 3) };
    const ended: string[] = [];
    await Promise.all([
      graphs.run("encode", { image }, ["feat"]).then(() => ended.push("encode")),
      graphs.run("render", renderInputs(), ["area"]).then(() => ended.push("render")),
    ]);
    expect(ended).toEqual(["render", "encode"]);
  });

  test("a failed encoding names its inputs", async () => {
    const { S } = pack.manifest.geometry;
    const image = { type: "uint8" as const, dims: [1, S, S, 3], data: new Uint8Array(S * S * 3) };
    await expect(graphs.run("encode", { image }, ["nothing"])).rejects.toMatchObject({
      code: "engine_failed",
      message: expect.stringMatching(
        /^The graph "encode" failed on image uint8 \[1, \d+, \d+, 3\]: .*nothing/,
      ),
    });
  });

  test("runs and the time inside them are counted by role", async () => {
    const before = { ...graphs.costs.render };
    await graphs.run("render", renderInputs(), ["bits"]);
    expect(graphs.costs.render?.runs).toBe((before.runs ?? 0) + 1);
    expect(graphs.costs.render?.ms).toBeGreaterThan(before.ms ?? 0);
    expect(graphs.costs.track).toMatchObject({ runs: 0, ms: 0 });
  });

  test("all missing and unknown inputs are named", async () => {
    const { mask } = renderInputs();
    await expect(graphs.run("render", { mask, sizes: mask }, ["bits"])).rejects.toThrow(
      'Wrong inputs for the graph "render": missing size, threshold; unknown sizes.',
    );
  });

  test("an input of the wrong shape is named with both shapes", async () => {
    const inputs = { ...renderInputs(), mask: float32([1, 1, 8, 8], leftHalf(8)) };
    const { m } = pack.manifest.geometry;
    await expect(graphs.run("render", inputs, ["bits"])).rejects.toThrow(
      `Wrong input "mask" for the graph "render": expected float32 [`,
    );
    await expect(graphs.run("render", inputs, ["bits"])).rejects.toThrow(
      `1, ${m}, ${m}], fed float32 [1, 1, 8, 8].`,
    );
  });

  test("an input with too few values is named with both counts", async () => {
    const { m } = pack.manifest.geometry;
    const inputs = { ...renderInputs(), mask: float32([2, 1, m, m], leftHalf(m)) };
    await expect(graphs.run("render", inputs, ["bits"])).rejects.toThrow(
      `Wrong input "mask" for the graph "render": [2, 1, ${m}, ${m}] needs ${2 * m * m} values, fed ${m * m}.`,
    );
  });

  test("a run that fails inside the runtime names its inputs", async () => {
    const inputs = { ...renderInputs(), size: int32([2], Int32Array.of(-5, 160)) };
    await expect(graphs.run("render", inputs, ["bits"])).rejects.toMatchObject({
      code: "engine_failed",
      message: expect.stringMatching(
        /^The graph "render" failed on mask float32 \[1, 1, \d+, \d+\], size int32 \[2\]/,
      ),
    });
  });
});

describe("graphs that break the contract", () => {
  test("a renamed tensor is named with its file", async () => {
    const pack = await copyCompactPack();
    await pack.editFile("track.onnx", (bytes) => renamed(bytes, "pointer_dt", "pointer_td"), {
      resign: true,
    });
    await expect(open(pack.directory)).rejects.toThrow(
      /^track\.onnx: input "pointer_dt" is missing: expected float32 \[B, P\], found inputs feat, .*pointer_td/,
    );
  });

  test("a geometry that the graphs do not have is reported with the first tensor that differs", async () => {
    const pack = await copyCompactPack();
    await pack.editManifest(({ geometry }) => {
      geometry.S = 96;
    });
    await expect(open(pack.directory)).rejects.toThrow(
      /^encode\.onnx: input "image" does not fit: expected uint8 \[1, 96, 96, 3\], found uint8 \[1, \d+, \d+, 3\]\.$/,
    );
  });

  test("an input that the exporter baked in is missed", async () => {
    const pack = await copyCompactPack();
    await pack.editFile("render.onnx", (bytes) => withoutInput(bytes, "threshold", [], [0]), {
      resign: true,
    });
    await expect(open(pack.directory)).rejects.toThrow(
      'render.onnx: input "threshold" is missing: expected float32 [], found inputs mask, size.',
    );
  });

  test("an input of another type is named with both types", async () => {
    const pack = await copyCompactPack();
    await pack.editFile("track.onnx", (bytes) => withInputType(bytes, "memory_t", ELEMENT.int64), {
      resign: true,
    });
    await expect(open(pack.directory)).rejects.toThrow(
      'track.onnx: input "memory_t" does not fit: expected int32 [B, M], found int64 [B, M].',
    );
  });

  test("an input of another size is named with both shapes", async () => {
    const pack = await copyCompactPack();
    const { m } = (await readManifest(pack.directory)).geometry;
    await pack.editFile("render.onnx", (bytes) => withInputSize(bytes, "mask", 3, 48), { resign: true });
    await expect(open(pack.directory)).rejects.toThrow(
      `render.onnx: input "mask" does not fit: expected float32 [B, 1, ${m}, ${m}], found float32 [B, 1, ${m}, 48].`,
    );
  });

  test("a graph that the runtime cannot make sense of is named with its reason", async () => {
    const pack = await copyCompactPack();
    await pack.editFile("encode.onnx", (bytes) => renamed(bytes, "Conv", "Vnoc"), { resign: true });
    await expect(open(pack.directory)).rejects.toThrow(
      /^encode\.onnx: no configured provider could open it \(cpu: .*Vnoc/,
    );
  });

  test("two swapped graphs are detected", async () => {
    const pack = await copyCompactPack();
    await pack.editManifest(({ graphs }) => {
      for (const graph of graphs) {
        if (graph.role === "seed") graph.file = "segment.onnx";
      }
    });
    await expect(open(pack.directory)).rejects.toThrow(
      /^segment\.onnx: input "mask" is missing: expected float32/,
    );
  });
});

describe("providers", () => {
  test("one that cannot start is reported once, and the next is used", async () => {
    const { graphs, warnings } = await open(compactPackDir, ["tensorrt", "cpu"]);
    expect(new Set(Object.values(graphs.providers))).toEqual(new Set(["cpu"]));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/^The provider "tensorrt" could not open encode\.onnx: .+/);
  });

  test("when none can start, the sentence gives each one's reason", async () => {
    await expect(open(compactPackDir, ["tensorrt", "no-such-provider"])).rejects.toThrow(
      /^encode\.onnx: no configured provider could open it \(tensorrt: .+; no-such-provider: .+\)\.$/,
    );
  });
});
