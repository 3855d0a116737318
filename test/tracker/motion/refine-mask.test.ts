import { describe, expect, it } from "vitest";
import type { FrameFeatures } from "../../../detector/graph.js";
import type { PromptState } from "../../../tracker/masklet.js";
import type { PointPrompt, Prediction } from "../../../tracker/model.js";
import { inDirection, refineMask, withoutPieces } from "../../../tracker/motion/refine-mask.js";

const SIDE = 6;

/** Logits of rows of `#` inside and `.` outside. */
const maskOf = (...rows: string[]) =>
  Float32Array.from([...rows.join("")], (cell) => (cell === "#" ? 5 : -5));

const pictureOf = (mask: Float32Array) =>
  Array.from({ length: SIDE }, (_, y) =>
    [...mask.subarray(y * SIDE, (y + 1) * SIDE)].map((logit) => (logit > 0 ? "#" : ".")).join(""),
  );

const clicks = (...given: [column: number, row: number, label: 0 | 1][]): PromptState => ({
  points: given.map(([column, row]) => [(column + 0.5) / SIDE, (row + 0.5) / SIDE] as const),
  labels: given.map(([, , label]) => label),
});

/** A large piece on the left, and a post on the right. */
const twoPieces = maskOf("......", ".##..#", ".##..#", ".##..#", "......", "......");

/** @returns the mask after the clicks, and what the model received */
async function refine(mask: Float32Array, answer: Float32Array, prompt: PromptState, before?: PromptState) {
  const received: { prompt: PointPrompt; previous: string[] }[] = [];
  const model = {
    async segment(_: FrameFeatures, points: PointPrompt, previous: Float32Array | null): Promise<Prediction> {
      received.push({ prompt: points, previous: pictureOf(previous as Float32Array) });
      return { maskLogits: answer, score: 1, iou: 1, pointer: new Float32Array(1) };
    },
  };
  const refined = await refineMask(model, {} as FrameFeatures, { mask, side: SIDE, prompt, before }, 16);
  return { picture: pictureOf(refined.maskLogits), ...(received[0] as (typeof received)[0]) };
}

describe("a mask that clicks refine", () => {
  const whole = maskOf("......", ".##...", ".##...", ".##...", "......", "......");

  it("reaches the model with its box, which contains the positive clicks", async () => {
    const { prompt, previous } = await refine(whole, whole, clicks([4, 4, 1]));
    expect(prompt.labels).toEqual([2, 3, 1]);
    const corners = prompt.points
      .slice(0, 2)
      .flat()
      .map((value) => value * SIDE);
    expect(corners.map((value) => Math.round(value * 100) / 100)).toEqual([1, 1, 4.5, 4.5]);
    expect(previous).toEqual(pictureOf(whole));
    const outside = await refine(whole, whole, clicks([5, 5, 0]));
    expect(outside.prompt.points[1]?.map((value) => value * SIDE)).toEqual([3, 4]);
  });

  it("loses no pixel by positive clicks, and gains none by negative ones", async () => {
    const other = maskOf("......", "......", "..##..", "..##..", "......", "......");
    const more = await refine(whole, other, clicks([3, 3, 1]));
    expect(more.picture).toEqual(["......", ".##...", ".###..", ".###..", "......", "......"]);
    const less = await refine(whole, other, clicks([1, 1, 0]));
    expect(less.picture).toEqual(["......", "......", "..#...", "..#...", "......", "......"]);
    const both = await refine(whole, other, clicks([3, 3, 1], [1, 1, 0]));
    expect(both.picture).toEqual(pictureOf(other));
  });

  it("changes by the new clicks alone when the prompt has earlier ones", async () => {
    const other = maskOf("......", "......", "..##..", "..##..", "......", "......");
    const { picture, prompt } = await refine(whole, other, clicks([1, 1, 0], [3, 3, 1]), clicks([1, 1, 0]));
    expect(picture).toEqual(["......", ".##...", ".###..", ".###..", "......", "......"]);
    expect(prompt.labels).toEqual([2, 3, 0, 1]);
  });

  it("is replaced when the model finds another object under the click", () => {
    const other = maskOf("......", "....##", "....##", "......", "......", "......");
    expect(inDirection(whole, other, clicks([4, 1, 1]))).toBe(other);
  });

  it("loses the whole piece under a negative click, and only that", async () => {
    const { picture, previous } = await refine(twoPieces, maskOf("#".repeat(36)), clicks([5, 2, 0]));
    expect(picture).toEqual(pictureOf(whole));
    expect(previous).toEqual(pictureOf(whole));
  });

  it("keeps a piece under a negative click that is most of the mask, or that also has a positive click", () => {
    const large = maskOf("####..", "####..", "####..", "####.#", "####..", "......");
    expect(withoutPieces(large, SIDE, clicks([1, 1, 0]))).toBeNull();
    expect(withoutPieces(twoPieces, SIDE, clicks([5, 2, 0], [1, 1, 1]))).toBeNull();
    expect(withoutPieces(twoPieces, SIDE, clicks([3, 5, 0]))).toBeNull();
  });
});
