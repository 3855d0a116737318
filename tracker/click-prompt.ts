/** Clicks and boxes on one object: merges them with earlier ones, and selects the graph that segments the object. */
import { type BoxXyxy, xywhToXyxy } from "../detector/geometry.js";
import type { FrameFeatures } from "../detector/graph.js";
import type { MemoryEntry } from "../memory/bank.js";
import type { Selection } from "../memory/select.js";
import type { PromptState } from "./masklet.js";
import { hasPixels } from "./masks/mask.js";
import type { Model, PointPrompt, Prediction } from "./model.js";
import type { TrackerPolicy } from "./policy.js";
import { type ObjectPrompt, PromptError } from "./prompts.js";

/**
 * Clicks that are kept per object and frame: the first and the last half of this number. It bounds memory. The model
 * receives fewer clicks under most presets; see `transformersParity.maxPoints`.
 */
const MAX_POINTS = 1024;

/** The prompt of a request, without the earlier prompts on the frame. */
export function promptOf({ points, labels, boxXywh, mask }: ObjectPrompt): PromptState {
  if (!mask) return { points, labels, ...(boxXywh && { box: boxXywh }) };
  return points.length > 0 ? { points, labels, refinesMask: true } : { points, labels, mask };
}

/**
 * Merges a new prompt on a frame with the earlier prompt on that frame. A new mask replaces the earlier prompt, and a new
 * box replaces an earlier mask. New clicks refine an earlier mask; they either replace the earlier clicks or are added to
 * them. Added clicks also keep the earlier box, as in SAM 2, where a box is two more points. Replaced clicks keep
 * the box when `clearOldBoxes` is false.
 */
export function mergePrompts(
  old: PromptState | undefined,
  added: PromptState,
  { clearOldPoints, clearOldBoxes }: Pick<ObjectPrompt, "clearOldPoints" | "clearOldBoxes">,
): PromptState {
  if (!old || added.mask || added.refinesMask) return added;
  const refinesMask = !added.box && (old.mask !== undefined || old.refinesMask);
  const box = added.box ?? (clearOldPoints && clearOldBoxes ? undefined : old.box);
  const points = clearOldPoints ? added.points : keepEnds([...old.points, ...added.points], MAX_POINTS);
  const labels = clearOldPoints ? added.labels : keepEnds([...old.labels, ...added.labels], MAX_POINTS);
  return { points, labels, ...(box && { box }), ...(refinesMask && { refinesMask }) };
}

/** The first and the last half of `limit` items. */
function keepEnds<T>(items: readonly T[], limit: number): readonly T[] {
  if (items.length <= limit) return items;
  const head = Math.ceil(limit / 2);
  return [...items.slice(0, head), ...items.slice(items.length - (limit - head))];
}

/** A box as a prompt: its corners are points with the labels 2 and 3. Coordinates are relative to the frame, 0..1. */
export function boxPrompt([x0, y0, x1, y1]: BoxXyxy): PointPrompt {
  return {
    points: [
      [x0, y0],
      [x1, y1],
    ],
    labels: [2, 3],
  };
}

/** A prompt of the corners of a box, if there is one, followed by the clicks. */
export function withCorners(box: BoxXyxy | undefined, { points, labels }: PointPrompt): PointPrompt {
  if (!box) return { points, labels };
  const corners = boxPrompt(box);
  return { points: [...corners.points, ...points], labels: [...corners.labels, ...labels] };
}

/**
 * The points for the model: the corners of the box, then the clicks. Of more than `maxPoints`, the first and the last half.
 */
export function toPointPrompt({ points, labels, box }: PromptState, maxPoints: number): PointPrompt {
  const all = withCorners(box && xywhToXyxy(box), { points, labels });
  return { points: keepEnds(all.points, maxPoints), labels: keepEnds(all.labels, maxPoints) };
}

/** Whether a prompt contains all clicks of an earlier prompt and has no other box. */
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

/**
 * Number of clicks that a mask satisfies: positive clicks inside it, and negative clicks outside.
 * @param maskLogits float32 [side, side]
 */
export function countSatisfiedClicks(
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

/** Whether a prompt consists of negative clicks alone, which remove from a mask but do not mark an object. */
export function onlyExcludes({ points, labels, box }: PromptState): boolean {
  return points.length > 0 && !box && labels.every((label) => label === 0);
}

/** @throws PromptError `invalid_field` for negative clicks alone on an object that does not exist */
export function checkNewObject(prompt: ObjectPrompt): void {
  if (prompt.mask || !onlyExcludes(promptOf(prompt))) return;
  throw new PromptError(
    "invalid_field",
    "point_labels: expected at least one label 1 for a new object, got only 0: negative clicks mark no object",
    "point_labels",
  );
}

/** The error for negative clicks alone on a frame on which the object has no mask. */
export function nothingToExclude(objectId: number | undefined, frameIndex: number): PromptError {
  return new PromptError(
    "invalid_field",
    `point_labels: expected at least one label 1, because object ${objectId} has no mask on frame ${frameIndex}, got only 0`,
    "point_labels",
  );
}

export interface EditContext {
  /** The merged prompt: all clicks and the box on the object on this frame, including the new ones. */
  prompt: PromptState;
  /** The prompt on this frame before the merge. */
  before: PromptState | undefined;
  /** The mask of this frame, from the prompt or from the object's memory, if there is one; it may be refined. */
  known: Pick<MemoryEntry, "maskLogits"> | undefined;
  /** The object's memories of other frames. */
  selection: Selection;
  /** Side of the mask logits. */
  side: number;
}

export type EditRules = Pick<TrackerPolicy["edit"], "usePrevMemFrame"> &
  Pick<TrackerPolicy["transformersParity"], "maxPoints">;

/**
 * Segments the object of a prompt.
 * - First clicks on a frame, for an object with memories of other frames: the object is tracked from memory and the clicks.
 *   If the mask does not satisfy all clicks, the decoder refines it without memory. The mask that satisfies more clicks is
 *   returned.
 * - All other prompts: the decoder segments the object without memory. It refines the known mask of the frame when the new
 *   prompt contains the earlier prompt, refines a mask of the user, or consists of negative clicks alone.
 * A box marks the whole object, so it is never combined with memory.
 * @returns null for negative clicks alone without a mask that they can refine
 */
export async function editObject(
  model: Model,
  features: FrameFeatures,
  { prompt, before, known, selection, side }: EditContext,
  rules: EditRules,
): Promise<Prediction | null> {
  const points = toPointPrompt(prompt, rules.maxPoints);
  const hasMemory = selection.memories.length > 0;
  if (rules.usePrevMemFrame && hasMemory && !before && !prompt.box && !prompt.refinesMask) {
    const tracked = await model.trackPrompted(features, selection, points);
    const satisfied = countSatisfiedClicks(tracked.maskLogits, side, prompt);
    if (satisfied === prompt.points.length) return tracked;
    const refined = await model.segment(
      features,
      points,
      hasPixels(tracked.maskLogits) ? tracked.maskLogits : null,
    );
    return countSatisfiedClicks(refined.maskLogits, side, prompt) > satisfied ? refined : tracked;
  }
  const needsMask = onlyExcludes(prompt);
  const isContinued =
    needsMask || prompt.refinesMask || (before ? extendsPrompt(before, prompt) : !prompt.box);
  const refined = known && isContinued && hasPixels(known.maskLogits) ? known.maskLogits : null;
  if (needsMask && !refined) return null;
  return model.segment(features, points, refined);
}
