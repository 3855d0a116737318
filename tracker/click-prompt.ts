/** Clicks and boxes on one object: how they merge with earlier ones, and which graph segments the object. */
import { type BoxXyxy, xywhToXyxy } from "../detector/geometry.js";
import type { FrameFeatures } from "../detector/graph.js";
import type { MemoryEntry } from "../memory/bank.js";
import type { Selection } from "../memory/select.js";
import type { PromptState } from "./masklet.js";
import type { Model, PointPrompt, Prediction } from "./model.js";
import type { TrackerPolicy } from "./policy.js";
import type { ObjectPrompt } from "./prompts.js";

/**
 * Clicks per object and frame that are kept: the first and the last half. Above `edit.maxPoints` of most presets, so it
 * only bounds memory.
 */
const MAX_POINTS = 1024;

/**
 * Merges a new prompt on a frame with the earlier ones. Clicks that are added to earlier ones keep the box as well, as in
 * SAM 2, where a box is two more points; a box may also stay while the clicks are replaced.
 */
export function mergePrompts(
  old: PromptState | undefined,
  added: PromptState,
  { clearOldPoints, clearOldBoxes }: Pick<ObjectPrompt, "clearOldPoints" | "clearOldBoxes">,
): PromptState {
  if (!old) return added;
  const box = added.box ?? (clearOldPoints && clearOldBoxes ? undefined : old.box);
  const points = clearOldPoints ? added.points : keepEnds([...old.points, ...added.points], MAX_POINTS);
  const labels = clearOldPoints ? added.labels : keepEnds([...old.labels, ...added.labels], MAX_POINTS);
  return { points, labels, ...(box ? { box } : {}) };
}

/** The first and the last half of `limit` items. */
function keepEnds<T>(items: readonly T[], limit: number): readonly T[] {
  if (items.length <= limit) return items;
  const head = Math.ceil(limit / 2);
  return [...items.slice(0, head), ...items.slice(items.length - (limit - head))];
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
  return { points: keepEnds(all.points, maxPoints), labels: keepEnds(all.labels, maxPoints) };
}

/** Whether a prompt contains an earlier one: its box and all its clicks. */
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

/** Number of clicks that a mask agrees with. */
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
  /** All clicks and the box on the object on this frame, with the new prompt. */
  prompt: PromptState;
  /** The same before the new prompt. */
  before: PromptState | undefined;
  /** The object's memory of this frame, if there is one. */
  known: MemoryEntry | undefined;
  /** Its memories of other frames. */
  selection: Selection;
  /** Side of the mask logits. */
  side: number;
}

export type EditRules = Pick<TrackerPolicy["edit"], "usePrevMemFrame"> &
  Pick<TrackerPolicy["transformersParity"], "maxPoints">;

/**
 * Segments the object of a prompt.
 * - The first clicks on a frame of an object with memories of other frames: tracked from memory with the clicks. If the
 *   result ignores a click, the decoder without memory refines it, and the mask that agrees with more clicks is used.
 * - Otherwise: the decoder without memory. It starts from the known mask of the frame when the prompt contains the earlier
 *   one.
 * A box marks the whole object, so it is never combined with memory.
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
