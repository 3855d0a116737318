import { describe, expect, it } from "vitest";
import { createConceptList, packQueries } from "../../detector/concepts.js";
import type { RunGraph } from "../../detector/graph.js";

const L = 2;
const D = 3;

function createList(exemplarPhrase: string | null = null) {
  const asked: number[] = [];
  const run: RunGraph = async (role, { input_ids }) => {
    expect(role).toBe("text");
    const id = input_ids?.data[0] as number;
    asked.push(id);
    return { text: { type: "float32", dims: [1, L, D], data: new Float32Array(L * D).fill(id) } };
  };
  const tokenize = (phrase: string) => {
    if (phrase === "") throw new RangeError("empty");
    return { ids: Int32Array.of(phrase.length, 0), mask: Int32Array.of(1, 0) };
  };
  return { asked, list: createConceptList({ run, tokenize, L, D, exemplarPhrase }) };
}

const here = { exemplars: [], frameIndex: 0 };

describe("the concepts of a session", () => {
  it("add up, and a phrase is read once however it is written", async () => {
    const { list, asked } = createList();
    const dog = await list.add({ phrase: "dog", ...here });
    await list.add({ phrase: "red ball", ...here });
    expect(await list.add({ phrase: "  Dog ", ...here })).toBe(dog);
    expect(list.all.map(({ phrase }) => phrase)).toEqual(["dog", "red ball"]);
    expect(asked).toEqual([3, 8]);
  });

  it("keep exemplars by the frame they were drawn on", async () => {
    const { list } = createList();
    const box = { box: [0.5, 0.5, 0.2, 0.2], label: 1 } as const;
    const dog = await list.add({ phrase: "dog", exemplars: [box], frameIndex: 4 });
    await list.add({ phrase: "dog", ...here });
    expect([...dog.exemplars]).toEqual([[4, [box]]]);
  });

  it("without a phrase are fed no words, or the words the model was trained with", async () => {
    const silent = await createList().list.add({ phrase: null, ...here });
    expect([...silent.textMask]).toEqual([0, 0]);
    const { list, asked } = createList("visual");
    const spoken = await list.add({ phrase: null, ...here });
    expect([asked, [...spoken.textMask], spoken.phrase]).toEqual([[6], [1, 0], null]);
  });

  it("stay as they were when a new phrase cannot be read", async () => {
    const { list } = createList();
    await list.add({ phrase: "dog", ...here });
    await expect(list.replaceAll({ phrase: " ", ...here })).rejects.toThrow(RangeError);
    expect(list.all.map(({ phrase }) => phrase)).toEqual(["dog"]);
    await list.replaceAll({ phrase: "cat", ...here });
    expect(list.all.map(({ phrase }) => phrase)).toEqual(["cat"]);
  });
});

describe("the inputs of detect", () => {
  it("batch concepts and label missing exemplars as padding", async () => {
    const { list } = createList();
    const dog = await list.add({ phrase: "dog", ...here });
    const cat = await list.add({ phrase: "cats", ...here });
    const exemplars = [
      { box: [0.5, 0.5, 0.2, 0.2], label: 1 },
      { box: [0.1, 0.1, 0.1, 0.1], label: 0 },
    ] as const;
    const packed = packQueries(
      [
        { concept: dog, exemplars },
        { concept: cat, exemplars: [] },
      ],
      L,
      D,
    );
    expect(packed.text).toEqual({
      type: "float32",
      dims: [2, L, D],
      data: Float32Array.of(3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4),
    });
    expect(packed.text_mask.data).toEqual(Int32Array.of(1, 0, 1, 0));
    expect(packed.boxes.dims).toEqual([2, 2, 4]);
    expect(packed.box_labels.data).toEqual(Int32Array.of(1, 0, -10, -10));
  });

  it("have room for one exemplar even when there is none", async () => {
    const { list } = createList();
    const dog = await list.add({ phrase: "dog", ...here });
    const { boxes, box_labels } = packQueries([{ concept: dog, exemplars: [] }], L, D);
    expect([boxes.dims, box_labels.dims, box_labels.data[0]]).toEqual([[1, 1, 4], [1, 1], -10]);
  });
});
