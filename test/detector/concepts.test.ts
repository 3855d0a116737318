import { describe, expect, it } from "vitest";
import { createConceptList, packQueries } from "../../detector/concepts.js";
import type { RunGraph } from "../../detector/graph.js";

const L = 2;
const D = 3;

function createList(exemplarPhrase: string | null = null) {
  const encoded: number[] = [];
  const run: RunGraph = async (role, { input_ids }) => {
    expect(role).toBe("text");
    const id = input_ids?.data[0] as number;
    encoded.push(id);
    return { text: { type: "float32", dims: [1, L, D], data: new Float32Array(L * D).fill(id) } };
  };
  const tokenize = (phrase: string) => {
    if (phrase === "") throw new RangeError("empty");
    return { ids: Int32Array.of(phrase.length, 0), mask: Int32Array.of(1, 0) };
  };
  return { encoded, list: createConceptList({ run, tokenize, L, D, exemplarPhrase }) };
}

const onFrame0 = { exemplars: [], frameIndex: 0 };

describe("the concepts of a session", () => {
  it("accumulate, and encode a phrase once, regardless of case and spacing", async () => {
    const { list, encoded } = createList();
    const dog = await list.add({ phrase: "dog", ...onFrame0 });
    await list.add({ phrase: "red ball", ...onFrame0 });
    expect(await list.add({ phrase: "  Dog ", ...onFrame0 })).toBe(dog);
    expect(list.all.map(({ phrase }) => phrase)).toEqual(["dog", "red ball"]);
    expect(encoded).toEqual([3, 8]);
  });

  it("keep exemplars by the frame on which they were drawn", async () => {
    const { list } = createList();
    const box = { box: [0.5, 0.5, 0.2, 0.2], label: 1 } as const;
    const dog = await list.add({ phrase: "dog", exemplars: [box], frameIndex: 4 });
    await list.add({ phrase: "dog", ...onFrame0 });
    expect([...dog.exemplars]).toEqual([[4, [box]]]);
  });

  it("keep the exemplars of a bounded number of frames, the latest ones", async () => {
    const { list } = createList();
    const exemplar = { box: [0.5, 0.5, 0.2, 0.2], label: 1 } as const;
    for (let frameIndex = 0; frameIndex <= 256; frameIndex++)
      await list.add({ phrase: "cat", exemplars: [exemplar], frameIndex });
    const frames = [...(list.all[0]?.exemplars.keys() ?? [])];
    expect([frames.length, frames[0], frames.at(-1)]).toEqual([256, 1, 256]);
  });

  it("without a phrase have no tokens, or the phrase for exemplars that the model was trained with", async () => {
    const withoutText = await createList().list.add({ phrase: null, ...onFrame0 });
    expect([...withoutText.textMask]).toEqual([0, 0]);
    const { list, encoded } = createList("visual");
    const withDefault = await list.add({ phrase: null, ...onFrame0 });
    expect([encoded, [...withDefault.textMask], withDefault.phrase]).toEqual([[6], [1, 0], null]);
  });

  it("do not change when a new phrase cannot be tokenized", async () => {
    const { list } = createList();
    await list.add({ phrase: "dog", ...onFrame0 });
    await expect(list.replaceAll({ phrase: " ", ...onFrame0 })).rejects.toThrow(RangeError);
    expect(list.all.map(({ phrase }) => phrase)).toEqual(["dog"]);
    await list.replaceAll({ phrase: "cat", ...onFrame0 });
    expect(list.all.map(({ phrase }) => phrase)).toEqual(["cat"]);
  });
});

describe("the inputs of detect", () => {
  it("batch concepts and label missing exemplars as padding", async () => {
    const { list } = createList();
    const dog = await list.add({ phrase: "dog", ...onFrame0 });
    const cat = await list.add({ phrase: "cats", ...onFrame0 });
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

  it("contain one padding exemplar when there are no exemplars", async () => {
    const { list } = createList();
    const dog = await list.add({ phrase: "dog", ...onFrame0 });
    const { boxes, box_labels } = packQueries([{ concept: dog, exemplars: [] }], L, D);
    expect([boxes.dims, box_labels.dims, box_labels.data[0]]).toEqual([[1, 1, 4], [1, 1], -10]);
  });
});
