/** Clicks and boxes on one object: which graph answers them, and with what. */
import { type BoxXyxy, xywhToXyxy } from "../detector/geometry.js";
import type { FrameFeatures } from "../detector/graph.js";
import type { MemoryEntry } from "../memory/bank.js";
import type { Selection } from "../memory/select.js";
import type { PromptState } from "./masklet.js";
import type { Model, PointPrompt, Prediction } from "./model.js";
import type { TrackerPolicy } from "./policy.js";
import type { ObjectPrompt } from "./prompts.js";

/**
 * What now holds on a frame. Clicks that go on from earlier ones go on from the box as well, as in SAM 2, where a box is
 * two more points; a box may also stay while the clicks are replaced.
 */
export function mergePrompts(
  old: PromptState | undefined,
  added: PromptState,
  { clearOldPoints, clearOldBoxes }: Pick<ObjectPrompt, "clearOldPoints" | "clearOldBoxes">,
): PromptState {
  if (!old) return added;
  const box = added.box ?? (clearOldPoints && clearOldBoxes ? undefined : old.box);
  return {
    points: clearOldPoints ? added.points : [...old.points, ...added.points],
    labels: clearOldPoints ? added.labels : [...old.labels, ...added.labels],
    ...(box ? { box } : {}),
  };
}

/** One object's box: its corners are two more points. */
export function boxPrompt([x0, y0, x1, y1]: BoxXyxy): PointPrompt {
  return {
    points: [
      [x0, y0],
      [x1, y1],
    ],
    labels: [2, 3],
  };
}

/** The corners of a box, if there is one, then the clicks. */
export function withCorners(box: BoxXyxy | undefined, { points, labels }: PointPrompt): PointPrompt {
  if (!box) return { points, labels };
  const corners = boxPrompt(box);
  return { points: [...corners.points, ...points], labels: [...corners.labels, ...labels] };
}

/** The corners of the box, then the clicks, at most `maxPoints` of them: the first and the last half. */
export function toPointPrompt({ points, labels, box }: PromptState, maxPoints: number): PointPrompt {
  const all = withCorners(box && xywhToXyxy(box), { points, labels });
  if (all.points.length <= maxPoints) return all;
  const head = Math.ceil(maxPoints / 2);
  const tail = all.points.length - (maxPoints - head);
  const kept = (_: unknown, index: number) => index < head || index >= tail;
  return { points: all.points.filter(kept), labels: all.labels.filter(kept) };
}

/** Whether a prompt goes on from an earlier one: everything said then is said again. */
export function extendsPrompt(old: PromptState, now: PromptState): boolean {
  if (now.box && !sameBox(old.box, now.box)) return false;
  return old.points.every(([x, y], index) =>
    now.points.some(
      (point, other) => point[0] === x && point[1] === y && now.labels[other] === old.labels[index],
    ),
  );
}

function sameBox(a: PromptState["box"], b: PromptState["box"]): boolean {
  return a !== undefined && b !== undefined && a.every((value, side) => value === b[side]);
}

/** How many clicks a mask agrees with. */
export function clicksHonoured(
  maskLogits: Float32Array,
  side: number,
  { points, labels }: PromptState,
): number {
  const cell = (relative: number) => Math.min(side - 1, Math.max(0, Math.floor(relative * side)));
  return points.filter(([x, y], index) => {
    const inside = (maskLogits[cell(y) * side + cell(x)] as number) > 0;
    return inside === (labels[index] === 1);
  }).length;
}

export interface EditContext {
  /** Everything said about the object on this frame, the new prompt included. */
  prompt: PromptState;
  /** What was said before the new prompt. */
  before: PromptState | undefined;
  /** What the object was on this frame, if anything is known. */
  known: MemoryEntry | undefined;
  /** Its memories of other frames. */
  selection: Selection;
  /** Side of the mask logits. */
  side: number;
}

export type EditRules = Pick<TrackerPolicy["edit"], "usePrevMemFrame"> &
  Pick<TrackerPolicy["transformersParity"], "maxPoints">;

/**
 * Answers a prompt.
 * - The first clicks on a frame of an object that other frames remember: memory says which object, clicks say what is wrong.
 *   If the result ignores a click, the decoder without memory gets the last word.
 * - Otherwise the decoder without memory, which starts from the mask so far when the prompt goes on from it.
 * A box says where the whole object is, so it is never mixed with memory.
 */
export async function editObject(
  model: Model,
  features: FrameFeatures,
  { prompt, before, known, selection, side }: EditContext,
  rules: EditRules,
): Promise<Prediction> {
  const points = toPointPrompt(prompt, rules.maxPoints);
  const hasMemory = selection.memories.length > 0;
  if (rules.usePrevMemFrame && hasMemory && !before && !prompt.box) {
    const tracked = await model.trackPrompted(features, selection, points);
    const honoured = clicksHonoured(tracked.maskLogits, side, prompt);
    if (honoured === prompt.points.length) return tracked;
    const redrawn = await model.segment(
      features,
      points,
      hasPixels(tracked.maskLogits) ? tracked.maskLogits : null,
    );
    return clicksHonoured(redrawn.maskLogits, side, prompt) > honoured ? redrawn : tracked;
  }
  const goesOn = before ? extendsPrompt(before, prompt) : !prompt.box;
  return model.segment(
    features,
    points,
    known && goesOn && hasPixels(known.maskLogits) ? known.maskLogits : null,
  );
}

function hasPixels(maskLogits: Float32Array): boolean {
  return maskLogits.some((logit) => logit > 0);
}
