/** Reads the recordings of `training/parity`: a small random model as a pack, and the results of transformers with it. */
import { readdirSync, readFileSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import type { Tensor } from "../../detector/graph.js";
import type { PolicyOverride } from "../../protocol/policy.js";

/** Type, shape and position of an array in the unpacked `arrays.bin.gz`. */
export interface ArrayRef {
  kind: "uint8" | "int32" | "float32" | "bits";
  shape: number[];
  offset: number;
  bytes: number;
}

export interface GoldenFrame {
  frame: number;
  ids: number[];
  /** Detection scores of concepts, object score logits of clicks. */
  scores: number[];
  /** Left, top, right, bottom in pixels of the video, the last pixel included; empty for an empty mask. */
  boxes: number[][];
  /** bits [objects, height, width] */
  masks: ArrayRef;
}

interface GoldenRunBase {
  name: string;
  clip: string;
  /** Height and width of the masks. */
  size: [height: number, width: number];
  margins: Record<string, number>;
  /** One list of frames for each pass or act, in the order in which transformers returned them. */
  answers: GoldenFrame[][];
}

export interface ConceptRun extends GoldenRunBase {
  kind: "concepts";
  phrases: string[];
  /** Fields of the configuration that differ from their defaults. */
  policy: PolicyOverride;
  exemplars: { frame: number; phrase: number; boxes: number[][]; labels: (0 | 1)[] } | null;
  passes: { start: number; reverse: boolean }[];
  /** How often each rule of the video model fired. */
  fired: Record<string, number>;
}

export type Act =
  | {
      act: "click";
      frame: number;
      object_id: number;
      points: [number, number][];
      labels: (0 | 1)[];
      box_xyxy: [number, number, number, number] | null;
      clear: boolean;
    }
  | { act: "propagate"; start: number; reverse: boolean; count: number | null };

export interface ClickRun extends GoldenRunBase {
  kind: "clicks";
  acts: Act[];
}

export interface GraphCase {
  role: "encode" | "text" | "detect" | "segment" | "seed" | "track" | "remember";
  inputs: Record<string, ArrayRef>;
  outputs: Record<string, ArrayRef>;
}

interface GoldenIndex {
  family: string;
  seed: number;
  transformers: string;
  clips: Record<string, ArrayRef>;
  graphs: GraphCase[];
  runs: (ConceptRun | ClickRun)[];
}

export interface Arrays {
  tensor(ref: ArrayRef): Tensor;
  /** One byte for each bit, first pixel first. */
  bits(ref: ArrayRef): Uint8Array;
}

export interface Golden extends GoldenIndex, Arrays {
  /** Writes the pack into a folder. */
  unpack(directory: string): Promise<void>;
}

export const goldenDir =
  process.env.MASKLET_GOLDEN ?? path.join(import.meta.dirname, "..", "golden", "parity");

export function goldenNames(): string[] {
  return readdirSync(goldenDir).sort();
}

/** The arrays that a folder's `golden.json` refers to. */
export function openArrays(folder: string): Arrays {
  const arrays = gunzipSync(readFileSync(path.join(folder, "arrays.bin.gz")));
  const content = ({ offset, bytes }: ArrayRef) => {
    const start = arrays.byteOffset + offset;
    return arrays.buffer.slice(start, start + bytes) as ArrayBuffer;
  };
  return {
    tensor(ref) {
      const data = content(ref);
      const { shape: dims } = ref;
      if (ref.kind === "float32") return { type: "float32", dims, data: new Float32Array(data) };
      if (ref.kind === "int32") return { type: "int32", dims, data: new Int32Array(data) };
      return { type: "uint8", dims, data: new Uint8Array(data) };
    },
    bits(ref) {
      const packed = new Uint8Array(content(ref));
      const count = ref.shape.reduce((product, size) => product * size, 1);
      return Uint8Array.from(
        { length: count },
        (_, at) => ((packed[at >> 3] as number) >> (7 - (at & 7))) & 1,
      );
    },
  };
}

export function openGolden(name: string): Golden {
  const folder = path.join(goldenDir, name);
  const index: GoldenIndex = JSON.parse(readFileSync(path.join(folder, "golden.json"), "utf8"));
  return {
    ...index,
    ...openArrays(folder),
    async unpack(directory) {
      await mkdir(directory, { recursive: true });
      const pack = path.join(folder, "pack");
      for (const file of await readdir(pack)) {
        const target = path.join(directory, file.replace(/\.gz$/, ""));
        await writeFile(target, gunzipSync(await readFile(path.join(pack, file))));
      }
    },
  };
}
