/** Packs the selected memories of several objects into the four inputs of `track`. */
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

/** Groups objects that can share one call: they have equal numbers of memories and equal numbers of pointers. */
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
 * Assigns each memory of an object to a slot. The slots depend only on the selection, not on earlier calls: the graph sums
 * over slots in order, so another order would change the last bits of its outputs.
 *
 * Conditioning memories come first, in their order. Tracked frames use the other slots as a ring buffer, by frame index, so
 * that each memory keeps its slot while the window moves.
 * @returns for each memory the index of its slot
 */
export function assignSlots(memories: Selection["memories"]): number[] {
  const isTracked = ({ entry }: Selection["memories"][number]) => entry.kind === "recent";
  const ringSize = memories.filter(isTracked).length;
  const first = memories.length - ringSize;
  const slots = new Array<number>(memories.length);
  let next = 0;
  memories.forEach((memory, index) => {
    if (!isTracked(memory)) slots[index] = next++;
  });
  const frameOf = (index: number) => (memories[index] as Selection["memories"][number]).entry.frameIndex;
  const tracked = [...memories.keys()].filter((index) => slots[index] === undefined);
  const taken = new Set<number>();
  for (const index of tracked.sort((a, b) => frameOf(a) - frameOf(b))) {
    let place = frameOf(index) % ringSize;
    while (taken.has(place)) place = (place + 1) % ringSize;
    taken.add(place);
    slots[index] = first + place;
  }
  return slots;
}

/** A packed buffer and the memory in each of its slots. */
interface Arena {
  /** [B, M, T, Dm] */
  memory: Float32Array;
  slots: (Float32Array | undefined)[];
}

/**
 * Creates a packer. Memories are large, and from one frame to the next only one memory per object changes. The packer
 * therefore keeps the buffer of the last call and copies only the memories that changed.
 * @returns the packer. Its result is valid until it packs the same objects again. It throws a RangeError when the objects
 *   have different numbers of memories or pointers.
 */
export function createMemoryPacker({
  T,
  Dm,
  D,
}: MemoryWidths): (group: readonly Selection[]) => PackedMemories {
  const tokens = T * Dm;
  // The key is the first memory of the first object: a conditioning memory, which stays longer than the others.
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
      throw new RangeError("the objects of a group must have equal numbers of memories and of pointers");
    }
    const arena = arenaFor(group, B * M);
    const rows = new Int32Array(B * M);
    const pointers = new Float32Array(B * P * D);
    const dts = new Float32Array(B * P);
    group.forEach((selection, b) => {
      const slots = assignSlots(selection.memories);
      selection.memories.forEach(({ entry: { memory }, row }, index) => {
        const slot = b * M + (slots[index] as number);
        rows[slot] = row;
        if (arena.slots[slot] === memory) return;
        arena.slots[slot] = memory;
        arena.memory.set(memory, slot * tokens);
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
