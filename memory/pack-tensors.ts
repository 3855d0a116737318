/** Selected memories of several objects as the four inputs of `track`. */
import type { Selection } from "./select.js";

export interface MemoryWidths {
  /** Tokens per memory. */
  T: number;
  /** Width of a memory token. */
  Dm: number;
  /** Width of a pointer. */
  D: number;
}

export interface PackedMemories {
  /** float32 [B, M, T, Dm] */
  memory: { type: "float32"; dims: number[]; data: Float32Array };
  /** int32 [B, M] */
  memory_t: { type: "int32"; dims: number[]; data: Int32Array };
  /** float32 [B, P, D]; P may be 0 */
  pointers: { type: "float32"; dims: number[]; data: Float32Array };
  /** float32 [B, P] */
  pointer_dt: { type: "float32"; dims: number[]; data: Float32Array };
}

/** Objects that can share one call: equally many memories and equally many pointers. */
export function groupBySize<T>(items: readonly T[], selectionOf: (item: T) => Selection): T[][] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const { memories, pointers } = selectionOf(item);
    const key = `${memories.length}/${pointers.length}`;
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return [...groups.values()];
}

/**
 * @returns a packer that fills the same large buffer on every call, so that a frame allocates none; what it returns is
 * valid until the next call
 */
export function createMemoryPacker({
  T,
  Dm,
  D,
}: MemoryWidths): (group: readonly Selection[]) => PackedMemories {
  let scratch = new Float32Array(0);
  return (group) => {
    const B = group.length;
    const M = group[0]?.memories.length ?? 0;
    const P = group[0]?.pointers.length ?? 0;
    const tokens = T * Dm;
    if (scratch.length < B * M * tokens) scratch = new Float32Array(B * M * tokens);
    const memory = scratch.subarray(0, B * M * tokens);
    const rows = new Int32Array(B * M);
    const pointers = new Float32Array(B * P * D);
    const dts = new Float32Array(B * P);
    group.forEach((selection, b) => {
      if (selection.memories.length !== M || selection.pointers.length !== P) {
        throw new RangeError("objects of one group need equally many memories and pointers");
      }
      selection.memories.forEach(({ entry, row }, slot) => {
        memory.set(entry.memory, (b * M + slot) * tokens);
        rows[b * M + slot] = row;
      });
      selection.pointers.forEach(({ pointer, dt }, slot) => {
        pointers.set(pointer, (b * P + slot) * D);
        dts[b * P + slot] = dt;
      });
    });
    return {
      memory: { type: "float32", dims: [B, M, T, Dm], data: memory },
      memory_t: { type: "int32", dims: [B, M], data: rows },
      pointers: { type: "float32", dims: [B, P, D], data: pointers },
      pointer_dt: { type: "float32", dims: [B, P], data: dts },
    };
  };
}
