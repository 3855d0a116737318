/**
 * Clicks that correct the mask which the user sees on a frame. They change it as little as they can: positive clicks remove
 * no pixel, and negative clicks add none. The model receives the mask with its box. Without the box, the decoder of a small
 * model segments what is under the click alone. The values below were chosen with the embedded pack, see `training/NOTES.md`.
 */
import type { BoxXyxy } from "../../detector/geometry.js";
import type { FrameFeatures } from "../../detector/graph.js";
import { coveredBy, maskBits, maskExtent } from "../../detector/mask-bits.js";
import { hasClick, onlyExcludes, toPointPrompt } from "../click-prompt.js";
import type { PromptState } from "../masklet.js";
import { OUTSIDE } from "../masks/mask.js";
import { findPieces, type Piece, paintPieces, pieceAt } from "../masks/pieces.js";
import type { Model, Prediction } from "../model.js";

/**
 * Share of a mask that must remain when a negative click removes a whole piece of it. Higher: fewer pieces are removed, so
 * that false ones stay. Lower: a click on the object itself removes it, when the mask has another piece.
 */
const MIN_REMAINING_SHARE = 0.2;

/** Share of a mask below which a refined mask that keeps no more of it is another object. */
const MIN_KEPT_SHARE = 0.1;

export interface Refinement {
  /** float32 [side, side], with at least one pixel. */
  mask: Float32Array;
  side: number;
  /** All clicks and the box on the object on this frame. */
  prompt: PromptState;
  /** The prompt that resulted in the mask; absent: the mask was tracked to the frame, or was given. */
  before: PromptState | undefined;
}

export async function refineMask(
  model: Pick<Model, "segment">,
  features: FrameFeatures,
  { mask, side, prompt, before }: Refinement,
  maxPoints: number,
): Promise<Prediction> {
  const clicks = newClicks(prompt, before);
  const remaining = withoutPieces(mask, side, clicks);
  const refined = remaining ?? mask;
  const box = prompt.box ?? boxAround(refined, side, prompt);
  const answer = await model.segment(features, toPointPrompt({ ...prompt, box }, maxPoints), refined);
  return { ...answer, maskLogits: remaining ?? inDirection(mask, answer.maskLogits, clicks) };
}

function newClicks(prompt: PromptState, before: PromptState | undefined): PromptState {
  const isNew = (_: unknown, index: number) => !before || !hasClick(before, prompt, index);
  return { points: prompt.points.filter(isNew), labels: prompt.labels.filter(isNew) };
}

/**
 * The mask without the pieces that negative clicks mark.
 * @returns null when the clicks mark no piece, or so large ones that they may mark a part of the object
 */
export function withoutPieces(mask: Float32Array, side: number, clicks: PromptState): Float32Array | null {
  if (!onlyExcludes(clicks)) return null;
  const pieces = findPieces(mask, side, true);
  const marked = new Set(clicks.points.map((point) => pieceAt(pieces, side, point)));
  const removed = pieces.filter((piece) => marked.has(piece));
  const areaOf = (some: readonly Piece[]) => some.reduce((sum, { area }) => sum + area, 0);
  const area = areaOf(pieces);
  if (removed.length === 0 || area - areaOf(removed) < area * MIN_REMAINING_SHARE) return null;
  return paintPieces(mask, removed, OUTSIDE);
}

/** The box of a mask, with the positive clicks. */
function boxAround(
  mask: Float32Array,
  side: number,
  { points, labels }: PromptState,
): NonNullable<PromptState["box"]> {
  const [left, top, right, bottom] = (maskExtent(mask, side) as { box: BoxXyxy }).box;
  const inside = points.filter((_, index) => labels[index] === 1);
  const xs = inside.map(([x]) => x);
  const ys = inside.map(([, y]) => y);
  const [x0, y0] = [Math.min(left, ...xs), Math.min(top, ...ys)];
  return [x0, y0, Math.max(right, ...xs) - x0, Math.max(bottom, ...ys) - y0];
}

/**
 * A refined mask without the changes that clicks of one kind exclude. Clicks of both kinds allow all changes, and so does a
 * refined mask that is another object.
 */
export function inDirection(
  before: Float32Array,
  after: Float32Array,
  { labels }: Pick<PromptState, "labels">,
): Float32Array {
  const [adds, removes] = [labels.includes(1), labels.includes(0)];
  if (adds === removes || coveredBy(maskBits(before), maskBits(after)) < MIN_KEPT_SHARE) return after;
  const limit = adds ? Math.max : Math.min;
  return after.map((logit, pixel) => limit(logit, before[pixel] as number));
}
