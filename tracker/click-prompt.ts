/** Clicks and boxes on one object: merges them with earlier ones, and converts them for the model. */
import { type BoxXyxy, xywhToXyxy } from "../detector/geometry.js";
import type { PromptState } from "./masklet.js";
import type { PointPrompt } from "./model.js";
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
  return old.points.every((_, index) => hasClick(now, old, index));
}

/** Whether a prompt contains a click of another prompt. */
export function hasClick(prompt: PromptState, other: PromptState, index: number): boolean {
  const [x, y] = other.points[index] as PromptState["points"][number];
  return prompt.points.some(
    (point, own) => point[0] === x && point[1] === y && prompt.labels[own] === other.labels[index],
  );
}

function sameBox(a: PromptState["box"], b: PromptState["box"]): boolean {
  return a !== undefined && b !== undefined && a.every((value, side) => value === b[side]);
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
