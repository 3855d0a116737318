import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { MemoryEntry } from "../../memory/bank.js";
import { assignSlots, createMemoryPacker, groupBySize } from "../../memory/pack-tensors.js";
import type { Selection } from "../../memory/select.js";

const widths = { T: 2, Dm: 3, D: 2 };

function selection(
  memories: [value: number, row: number][],
  pointers: [value: number, dt: number][],
): Selection {
  return {
    memories: memories.map(([value, row]) => ({
      entry: { memory: new Float32Array(6).fill(value), kind: "born", frameIndex: value } as MemoryEntry,
      row,
    })),
    pointers: pointers.map(([value, dt]) => ({ pointer: new Float32Array(2).fill(value), dt })),
  };
}

describe("packing memories", () => {
  it("lays out objects, then slots, then tokens", () => {
    const pack = createMemoryPacker(widths);
    const { memory, memory_t, pointers, pointer_dt } = pack([
      selection(
        [
          [1, 6],
          [2, 0],
        ],
        [[5, 0.5]],
      ),
      selection(
        [
          [3, 6],
          [4, 1],
        ],
        [[6, 0.25]],
      ),
    ]);
    expect([memory.dims, memory_t.dims, pointers.dims, pointer_dt.dims]).toEqual([
      [2, 2, 2, 3],
      [2, 2],
      [2, 1, 2],
      [2, 1],
    ]);
    expect([...memory.data]).toEqual([1, 2, 3, 4].flatMap((value) => new Array(6).fill(value)));
    expect([...memory_t.data]).toEqual([6, 0, 6, 1]);
    expect([...pointers.data]).toEqual([5, 5, 6, 6]);
    expect([...pointer_dt.data]).toEqual([0.5, 0.25]);
  });

  it("works without pointers, and with fewer objects than the call before", () => {
    const pack = createMemoryPacker(widths);
    pack([
      selection(
        [
          [1, 6],
          [1, 0],
        ],
        [],
      ),
      selection(
        [
          [1, 6],
          [1, 0],
        ],
        [],
      ),
    ]);
    const { memory, pointers } = pack([selection([[7, 6]], [])]);
    expect([...memory.data]).toEqual(new Array(6).fill(7));
    expect([pointers.dims, pointers.data.length]).toEqual([[1, 0, 2], 0]);
  });

  const entry = (value: number, frameIndex: number, kind: MemoryEntry["kind"] = "recent") =>
    ({ memory: new Float32Array(6).fill(value), frameIndex, kind }) as MemoryEntry;

  it("copies only the memories that are new", () => {
    const entries = [entry(1, 0, "prompted"), entry(2, 2), entry(3, 1), entry(4, 3)];
    const of = (...slots: [entry: number, row: number][]): Selection => ({
      memories: slots.map(([index, row]) => ({ entry: entries[index] as MemoryEntry, row })),
      pointers: [],
    });
    const pack = createMemoryPacker(widths);
    const unpack = ({ memory, memory_t }: ReturnType<typeof pack>) =>
      [...memory_t.data].map((row, slot) => [memory.data[slot * 6], memory.data[slot * 6 + 5], row]);
    const first = pack([of([0, 6], [1, 0], [2, 1])]);
    expect(unpack(first)).toEqual([
      [1, 1, 6],
      [2, 2, 0],
      [3, 3, 1],
    ]);
    const second = pack([of([0, 6], [3, 0], [1, 1])]);
    expect(second.memory.data).toBe(first.memory.data);
    expect(unpack(second)).toEqual([
      [1, 1, 6],
      [2, 2, 1],
      [4, 4, 0],
    ]);
  });

  it("assigns slots that depend only on the selection", () => {
    const conditioning = [entry(0, 9, "prompted"), entry(0, 4, "born")];
    const slotsOf = (frames: number[]) =>
      assignSlots(
        [...conditioning, ...frames.map((index) => entry(0, index))].map((one) => ({ entry: one, row: 0 })),
      );
    const newestFirst = (last: number) => Array.from({ length: 6 }, (_, age) => last - age);
    expect(slotsOf([])).toEqual([0, 1]);
    for (const last of [20, 21, 22]) {
      const slots = slotsOf(newestFirst(last));
      expect(slots.slice(0, 2)).toEqual([0, 1]);
      // A frame keeps its slot while the window moves.
      expect(slots.slice(2)).toEqual(newestFirst(last).map((index) => 2 + (index % 6)));
    }
    // Frames with the same place in the ring: the later one uses the next free slot.
    expect(slotsOf([12, 6, 0])).toEqual([0, 1, 4, 3, 2]);
  });

  it("returns tensors that do not depend on earlier calls", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uniqueArray(fc.nat(30), { minLength: 3, maxLength: 3 }), { minLength: 1, maxLength: 8 }),
        (calls) => {
          const pool = Array.from({ length: 31 }, (_, index) =>
            entry(index, index, index < 3 ? "born" : "recent"),
          );
          const pack = createMemoryPacker(widths);
          for (const frames of calls) {
            const memories = frames.map((index) => ({ entry: pool[index] as MemoryEntry, row: index }));
            const { memory, memory_t } = pack([{ memories, pointers: [] }]);
            expect({ memory, memory_t }).toEqual({
              memory: createMemoryPacker(widths)([{ memories, pointers: [] }]).memory,
              memory_t: createMemoryPacker(widths)([{ memories, pointers: [] }]).memory_t,
            });
          }
        },
      ),
    );
  });

  it("packs the memories of each object, for any group of objects", () => {
    const object = fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 6 })), {
      minLength: 3,
      maxLength: 3,
    });
    const pool = Array.from({ length: 10 }, (_, value) => entry(value, value));
    fc.assert(
      fc.property(
        fc.array(fc.array(object, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 6 }),
        (calls) => {
          const pack = createMemoryPacker(widths);
          for (const drawn of calls) {
            const selections = drawn.map((slots) => [...new Map(slots)]).filter(({ length }) => length === 3);
            const { memory, memory_t } = pack(
              selections.map((slots) => ({
                memories: slots.map(([value, row]) => ({ entry: pool[value] as MemoryEntry, row })),
                pointers: [],
              })),
            );
            selections.forEach((slots, b) => {
              const packed = [0, 1, 2].map((slot) => [
                memory.data[(b * 3 + slot) * 6],
                memory_t.data[b * 3 + slot],
              ]);
              expect(packed.sort()).toEqual([...slots].sort());
            });
          }
        },
      ),
    );
  });

  it("rejects objects with different numbers of memories", () => {
    const pack = createMemoryPacker(widths);
    expect(() =>
      pack([
        selection([[1, 6]], []),
        selection(
          [
            [1, 6],
            [2, 0],
          ],
          [],
        ),
      ]),
    ).toThrow(RangeError);
  });

  it("groups objects by their numbers of memories and pointers", () => {
    const young = selection([[1, 6]], []);
    const old = selection(
      [
        [1, 6],
        [2, 0],
      ],
      [[1, 1]],
    );
    const groups = groupBySize([young, old, { ...young }, { ...old }], (item) => item);
    expect(groups.map((group) => group.map(({ memories }) => memories.length))).toEqual([
      [1, 1],
      [2, 2],
    ]);
  });
});
