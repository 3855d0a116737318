import { describe, expect, it } from "vitest";
import type { FrameFeatures } from "../../../detector/graph.js";
import type { Selection } from "../../../memory/select.js";
import { mergePrompts } from "../../../tracker/click-prompt.js";
import type { PromptState } from "../../../tracker/masklet.js";
import type { Model, Prediction } from "../../../tracker/model.js";
import { countSatisfiedClicks, editObject } from "../../../tracker/motion/edit-object.js";
import { presets } from "../../../tracker/presets.js";

const click = (x: number, y: number, label: 0 | 1 = 1): PromptState => ({
  points: [[x, y]],
  labels: [label],
});
const box = [0.2, 0.2, 0.4, 0.6] as const;
const added = { clearOldPoints: false, clearOldBoxes: true };

describe("clicks", () => {
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

  it("uses no memory for a box, on a frame with a mask, or with usePrevMemFrame off", async () => {
    const segment = [left, ["segment"]];
    const refined = [left, ["segment after -1,1,-1,1"]];
    const edit = () => scripted({ segment: left, track: right });
    expect(await edit()({ selection: memories, prompt: { points: [], labels: [], box } })).toEqual(segment);
    expect(await edit()({ selection: memories, known: right })).toEqual(refined);
    expect(await edit()({ selection: memories, known: right, before: click(0, 0) })).toEqual(refined);
    expect(await edit()({ selection: memories }, false)).toEqual(segment);
  });

  it("tracks again when clicks replace those that changed the mask of a tracked frame", async () => {
    const edit = scripted({ segment: right, track: left });
    expect(await edit({ selection: memories, known: right, before: click(0.9, 0) })).toEqual([
      left,
      ["track"],
    ]);
  });

  it("starts from the known mask only when the prompt contains the earlier one", async () => {
    const edit = () => scripted({ segment: left, track: right });
    const refined = ["segment after -1,1,-1,1"];
    expect((await edit()({ known: right, before: click(0, 0) }))[1]).toEqual(refined);
    expect((await edit()({ known: right, before: click(0.9, 0) }))[1]).toEqual(["segment"]);
    expect((await edit()({ known: right }))[1]).toEqual(refined);
    expect((await edit()({ known: right, prompt: { points: [], labels: [], box } }))[1]).toEqual(["segment"]);
  });

  it("refines the known mask with negative clicks alone, and returns null without one", async () => {
    const edit = () => scripted({ segment: left, track: empty });
    const prompt = click(0.9, 0, 0);
    expect((await edit()({ known: right, before: click(0, 0), prompt }))[1]).toEqual([
      "segment after -1,1,-1,1",
    ]);
    expect(await edit()({ known: empty, before: click(0, 0), prompt })).toEqual([null, []]);
    expect(await edit()({ prompt })).toEqual([null, []]);
  });
});
