import { expect, test } from "vitest";
import { parseManifest } from "../../../server/packs/manifest.js";

const roles = ["encode", "text", "detect", "segment", "seed", "track", "remember", "render"];
const file = (name: string) => ({ name, bytes: 1, sha256: "0".repeat(64) });

/** A valid manifest, for the tests to change. */
function validManifest() {
  return {
    schema: 1,
    id: "probe",
    version: "1",
    family: "probe",
    license: "Apache-2.0",
    source: {} as Record<string, unknown>,
    geometry: { S: 320, g: 20, D: 128, Dm: 96, T: 400, m: 80, Ct: 128, L: 16, K: 32 } as Record<
      string,
      unknown
    >,
    image: { color: "rgb" },
    bank: {
      maxConditioning: 4,
      recent: 6,
      maxPointers: 16,
      temporalRows: 7,
      conditioningRow: 6,
      pointerTime: "dt/(max-1)",
    },
    decode: { multimaskMinPoints: 0, multimaskMaxPoints: 1 },
    detect: { scoreThreshold: 0.5, nmsIou: 0.1, newObjectScore: 0.7 } as object | undefined,
    capabilities: {
      text: true,
      exemplars: true,
      maskSeed: true,
      points: true,
      objectBatch: "dynamic",
      memorySlots: "dynamic",
    } as Record<string, unknown>,
    tokenizer: "tokenizer.json" as string | undefined,
    files: [...roles.map((role) => file(`${role}.onnx`)), file("tokenizer.json")],
    graphs: roles.map((role) => ({ role, file: `${role}.onnx` })),
  };
}

function failureOf(change: (manifest: ReturnType<typeof validManifest>) => unknown): string {
  const manifest = validManifest();
  change(manifest);
  try {
    parseManifest(JSON.stringify(manifest));
  } catch (error) {
    return (error as Error).message;
  }
  return "accepted";
}

test("accepts a valid manifest, and ignores keys that a later version may add", () => {
  expect(parseManifest(JSON.stringify({ ...validManifest(), created: "today" })).geometry.S).toBe(320);
});

test("defaults the memory precision to float32 for EdgeTAM, and leaves it to the preset for other families", () => {
  const precision = (family: string, bank: object = {}) => {
    const manifest = validManifest();
    const text = JSON.stringify({ ...manifest, family, bank: { ...manifest.bank, ...bank } });
    return parseManifest(text).bank.memoryPrecision;
  };
  expect([precision("edgetam"), precision("sam2")]).toEqual(["float32", undefined]);
  expect(precision("edgetam", { memoryPrecision: "bfloat16" })).toBe("bfloat16");
  expect(failureOf((manifest) => Object.assign(manifest.bank, { memoryPrecision: "float16" }))).toMatch(
    /^manifest\.json: bank\.memoryPrecision: /,
  );
});

test("accepts a tracker-only manifest without tokenizer, detection settings and their sizes", () => {
  const tracker = failureOf((manifest) => {
    manifest.capabilities = { ...manifest.capabilities, text: false, exemplars: false, maskSeed: false };
    manifest.geometry = { S: 320, g: 20, D: 128, Dm: 96, T: 400, m: 80 };
    manifest.tokenizer = undefined;
    manifest.detect = undefined;
    manifest.graphs = manifest.graphs.filter(({ role }) => !["text", "detect", "seed"].includes(role));
  });
  expect(tracker).toBe("accepted");
});

test("refuses text that is not JSON", () => {
  expect(() => parseManifest("{")).toThrow(/^manifest\.json is not JSON: /);
});

test.each<[string, (manifest: ReturnType<typeof validManifest>) => unknown, string]>([
  ["another schema", (m) => Object.assign(m, { schema: 2 }), "manifest.json: schema: expected 1"],
  [
    "a missing size",
    (m) => delete m.geometry.Dm,
    "manifest.json: geometry.Dm: expected number, received undefined",
  ],
  [
    "a size as text",
    (m) => Object.assign(m.geometry, { S: "320" }),
    "manifest.json: geometry.S: expected number, received string",
  ],
  [
    "a path with ..",
    (m) => Object.assign(m.files[0] as object, { name: "../secret.onnx" }),
    "manifest.json: files.0.name: must stay inside the pack's folder",
  ],
  [
    "an absolute path",
    (m) => Object.assign(m.graphs[0] as object, { file: "/etc/passwd" }),
    "manifest.json: graphs.0.file: must stay inside the pack's folder",
  ],
  [
    "a path with .. and backslashes",
    (m) => Object.assign(m, { tokenizer: "a\\..\\..\\b" }),
    "manifest.json: tokenizer: must stay inside the pack's folder",
  ],
  [
    "a hash that is not a SHA-256",
    (m) => Object.assign(m.files[0] as object, { sha256: "abc" }),
    "manifest.json: files.0.sha256: expected 64 lowercase hexadecimal digits",
  ],
  [
    "a graph that is not listed",
    (m) => m.files.splice(5, 1),
    'manifest.json: graphs.5.file: "track.onnx" is not among files',
  ],
  ["a missing graph", (m) => m.graphs.splice(5, 1), 'manifest.json: graphs: the role "track" is missing'],
  [
    "a missing seed in a pack that detects",
    (m) => {
      m.capabilities.maskSeed = false;
      m.graphs.splice(4, 1);
    },
    'manifest.json: graphs: the role "seed" is missing',
  ],
  [
    "a role given twice",
    (m) => m.graphs.push({ role: "track", file: "track.onnx" }),
    'manifest.json: graphs.8.role: "track" appears twice',
  ],
  [
    "no tokenizer",
    (m) => Object.assign(m, { tokenizer: undefined }),
    "manifest.json: tokenizer: required by a pack that detects",
  ],
  [
    "no phrase length",
    (m) => delete m.geometry.L,
    "manifest.json: geometry.L: required by a pack that detects",
  ],
  [
    "no thresholds",
    (m) => Object.assign(m, { detect: undefined }),
    "manifest.json: detect: required by a pack that detects",
  ],
  [
    "a temporal table that is too short",
    (m) => Object.assign(m.bank, { temporalRows: 6 }),
    "manifest.json: bank: temporalRows must cover recent and conditioningRow",
  ],
])("refuses %s in one sentence", (_, change, sentence) => {
  expect(failureOf(change)).toBe(sentence);
});
