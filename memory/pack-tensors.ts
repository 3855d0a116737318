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

/** A packed buffer and what lies in each of its slots. */
interface Arena {
  /** [B, M, T, Dm] */
  memory: Float32Array;
  slots: (Float32Array | undefined)[];
}

/**
 * Memories are large and on each frame all but one per object are the same as before. Their order is free, so what is still
 * wanted stays where it lies in the buffer of the last call, and only what is new is copied, into the slots of what is not.
 * @returns a packer; what it returns is valid until it packs the same objects again
 */
export function createMemoryPacker({
  T,
  Dm,
  D,
}: MemoryWidths): (group: readonly Selection[]) => PackedMemories {
  const tokens = T * Dm;
  // By the first object's first memory: it is a conditioning memory, which outlasts the others.
  const arenas = new WeakMap<Float32Array, Arena>();

  function arenaFor(group: readonly Selection[], slots: number): Arena {
    const key = group[0]?.memories[0]?.entry.memory;
    const known = key && arenas.get(key);
    if (known && known.slots.length === slots) return known;
    const arena = { memory: new Float32Array(slots * tokens), slots: new Array(slots).fill(undefined) };
    if (key) arenas.set(key, arena);
    return arena;
  }

  return (group) => {
    const B = group.length;
    const M = group[0]?.memories.length ?? 0;
    const P = group[0]?.pointers.length ?? 0;
    if (group.some(({ memories, pointers }) => memories.length !== M || pointers.length !== P)) {
      throw new RangeError("objects of one group need equally many memories and pointers");
    }
    const arena = arenaFor(group, B * M);
    const rows = new Int32Array(B * M);
    const pointers = new Float32Array(B * P * D);
    const dts = new Float32Array(B * P);
    group.forEach((selection, b) => {
      const wanted = selection.memories.map(({ entry }) => entry.memory);
      const free: number[] = [];
      for (let slot = b * M; slot < (b + 1) * M; slot++) {
        const held = arena.slots[slot];
        if (held === undefined || !wanted.includes(held)) free.push(slot);
      }
      selection.memories.forEach(({ entry: { memory }, row }) => {
        let slot = arena.slots.indexOf(memory, b * M);
        if (slot < 0 || slot >= (b + 1) * M) {
          slot = free.shift() as number;
          arena.slots[slot] = memory;
          arena.memory.set(memory, slot * tokens);
        }
        rows[slot] = row;
      });
      selection.pointers.forEach(({ pointer, dt }, slot) => {
        pointers.set(pointer, (b * P + slot) * D);
        dts[b * P + slot] = dt;
      });
    });
    return {
      memory: { type: "float32", dims: [B, M, T, Dm], data: arena.memory },
      memory_t: { type: "int32", dims: [B, M], data: rows },
      pointers: { type: "float32", dims: [B, P, D], data: pointers },
      pointer_dt: { type: "float32", dims: [B, P], data: dts },
    };
  };
}
