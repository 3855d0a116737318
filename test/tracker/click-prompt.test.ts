import { describe, expect, it } from "vitest";
import type { FrameFeatures } from "../../detector/graph.js";
import type { MemoryEntry } from "../../memory/bank.js";
import type { Selection } from "../../memory/select.js";
import {
  countSatisfiedClicks,
  editObject,
  extendsPrompt,
  mergePrompts,
  toPointPrompt,
} from "../../tracker/click-prompt.js";
import type { PromptState } from "../../tracker/masklet.js";
import type { Model, Prediction } from "../../tracker/model.js";
import { presets } from "../../tracker/presets.js";

const click = (x: number, y: number, label: 0 | 1 = 1): PromptState => ({
  points: [[x, y]],
  labels: [label],
});
const box = [0.2, 0.2, 0.4, 0.6] as const;
const replaced = { clearOldPoints: true, clearOldBoxes: true };
const added = { ...replaced, clearOldPoints: false };

describe("prompts on an object on one frame", () => {
  it("are merged, or replaced on request", () => {
    const old = { ...click(0.1, 0.1), box };
    expect(mergePrompts(old, click(0.5, 0.5, 0), added)).toEqual({
      points: [
        [0.1, 0.1],
        [0.5, 0.5],
      ],
      labels: [1, 0],
      box,
    });
    expect(mergePrompts(old, click(0.5, 0.5), replaced)).toEqual(click(0.5, 0.5));
    const boxStays = mergePrompts(old, click(0.5, 0.5), { ...replaced, clearOldBoxes: false });
    expect(boxStays).toEqual({ ...click(0.5, 0.5), box });
  });

  it("become box corners, then clicks", () => {
    const { points, labels } = toPointPrompt({ ...click(0.5, 0.5, 0), box }, 16);
    expect(labels).toEqual([2, 3, 0]);
    expect(points[0]).toEqual([0.2, 0.2]);
    expect(points[1]?.[0]).toBeCloseTo(0.6);
    expect(points[1]?.[1]).toBeCloseTo(0.8);
    expect(points[2]).toEqual([0.5, 0.5]);
  });

  it("are reduced to the first and the last half of the clicks that the model accepts", () => {
    const many = {
      points: Array.from({ length: 9 }, (_, i) => [i / 10, 0] as const),
      labels: new Array(9).fill(1),
    };
    expect(toPointPrompt(many, 4).points.map(([x]) => x)).toEqual([0, 0.1, 0.7, 0.8]);
  });

  it("are stored with a bounded number of clicks, the first and the last half", () => {
    let merged = click(0, 0);
    for (let index = 1; index < 1100; index++) merged = mergePrompts(merged, click(index / 1100, 0), added);
    expect([merged.points.length, merged.labels.length]).toEqual([1024, 1024]);
    expect([merged.points[511], merged.points.at(-1)]).toEqual([
      [511 / 1100, 0],
      [1099 / 1100, 0],
    ]);
  });

  it("contain an earlier prompt when they have all its clicks and no other box", () => {
    const both = mergePrompts(click(0.1, 0.1), click(0.5, 0.5), added);
    expect(extendsPrompt(click(0.1, 0.1), both)).toBe(true);
    expect(extendsPrompt(click(0.1, 0.1), click(0.5, 0.5))).toBe(false);
    expect(extendsPrompt(click(0.1, 0.1), click(0.1, 0.1, 0))).toBe(false);
    expect(extendsPrompt({ points: [], labels: [], box }, click(0.5, 0.5))).toBe(true);
    expect(extendsPrompt(click(0.1, 0.1), { ...click(0.1, 0.1), box })).toBe(false);
  });

  it("are satisfied by a mask with the positive clicks inside and the negative ones outside", () => {
    const mask = Float32Array.of(1, -1, -1, -1);
    const prompt = mergePrompts(click(0.2, 0.2), click(0.9, 0.9, 0), added);
    expect(countSatisfiedClicks(mask, 2, prompt)).toBe(2);
    expect(countSatisfiedClicks(mask, 2, click(1, 0, 1))).toBe(0);
  });
});

describe("segmenting the object of a prompt", () => {
  const side = 2;
  const left = Float32Array.of(1, -1, 1, -1);
  const right = Float32Array.of(-1, 1, -1, 1);
  const empty = Float32Array.of(-1, -1, -1, -1);
  const memories = { memories: [{}], pointers: [] } as unknown as Selection;
  const none: Selection = { memories: [], pointers: [] };
  const entry = { maskLogits: right } as MemoryEntry;

  /** A model that returns fixed masks. @returns edits an object; resolves to its mask and the calls of the model */
  function scripted(masks: { segment: Float32Array; track: Float32Array }) {
    const calls: string[] = [];
    const answer = (maskLogits: Float32Array): Prediction => ({
      maskLogits,
      score: 1,
      iou: 1,
      pointer: new Float32Array(1),
    });
    const model = {
      segment: async (_: FrameFeatures, __: unknown, previous: Float32Array | null) => {
        calls.push(previous ? `segment after ${[...previous]}` : "segment");
        return answer(masks.segment);
      },
      trackPrompted: async () => {
        calls.push("track");
        return answer(masks.track);
      },
    } as unknown as Model;
    const edit = async (context: Partial<Parameters<typeof editObject>[2]>, useMemory = true) => {
      const full = {
        prompt: click(0, 0),
        before: undefined,
        known: undefined,
        selection: none,
        side,
        ...context,
      };
      const edited = await editObject(model, {} as FrameFeatures, full, {
        ...presets.compact.transformersParity,
        usePrevMemFrame: useMemory,
      });
      return [edited?.maskLogits ?? null, calls] as const;
    };
    return edit;
  }

  it("tracks from memory first when the object has memories of other frames", async () => {
    const edit = scripted({ segment: right, track: left });
    expect(await edit({ selection: memories })).toEqual([left, ["track"]]);
  });

  it("refines without memory when the tracked mask ignores a click", async () => {
    const edit = scripted({ segment: left, track: right });
    expect(await edit({ selection: memories })).toEqual([left, ["track", "segment after -1,1,-1,1"]]);
    const absent = scripted({ segment: left, track: empty });
    expect(await absent({ selection: memories })).toEqual([left, ["track", "segment"]]);
  });

  it("uses no memory for a box, for a further click on the frame, or with usePrevMemFrame off", async () => {
    const segment = [left, ["segment"]];
    const edit = () => scripted({ segment: left, track: right });
    expect(await edit()({ selection: memories, prompt: { points: [], labels: [], box } })).toEqual(segment);
    expect(await edit()({ selection: memories, before: click(0, 0) })).toEqual(segment);
    expect(await edit()({ selection: memories }, false)).toEqual(segment);
  });

  it("starts from the known mask only when the prompt contains the earlier one", async () => {
    const edit = () => scripted({ segment: left, track: right });
    const refined = ["segment after -1,1,-1,1"];
    expect((await edit()({ known: entry, before: click(0, 0) }))[1]).toEqual(refined);
    expect((await edit()({ known: entry, before: click(0.9, 0) }))[1]).toEqual(["segment"]);
    expect((await edit()({ known: entry }))[1]).toEqual(refined);
    expect((await edit()({ known: entry, prompt: { points: [], labels: [], box } }))[1]).toEqual(["segment"]);
  });

  it("refines the known mask with negative clicks alone, and returns null without one", async () => {
    const edit = () => scripted({ segment: left, track: empty });
    const prompt = click(0.9, 0, 0);
    expect((await edit()({ known: entry, before: click(0, 0), prompt }))[1]).toEqual([
      "segment after -1,1,-1,1",
    ]);
    const known = { maskLogits: empty } as MemoryEntry;
    expect(await edit()({ known, before: click(0, 0), prompt })).toEqual([null, []]);
    expect(await edit()({ prompt })).toEqual([null, []]);
  });
});
