/** Converts a validated `add_prompt` to an engine prompt: relative coordinates, one kind of prompt. */
import { type AddPromptRequest, type CocoRle, isObjectPrompt, ProtocolError } from "../protocol/index.js";
import type { BoxXywh, EnginePrompt } from "./engine/index.js";

export interface FrameSize {
  width: number;
  height: number;
}

/** At the size of the video. */
export interface PromptMasks {
  /** The mask of the request, as `mask-input.ts` reads it. */
  mask?: CocoRle | undefined;
  /** The mask of the object that is shown on the frame. */
  shown?: CocoRle | undefined;
}

/**
 * @throws ProtocolError invalid_field naming the pixel coordinate that lies outside the frame.
 */
export function toEnginePrompt(
  request: AddPromptRequest,
  size: FrameSize,
  { mask, shown }: PromptMasks = {},
): EnginePrompt {
  if (!request.rel_coordinates) checkPixels(request, size);
  const scale = request.rel_coordinates ? { width: 1, height: 1 } : size;
  const boxes = (request.bounding_boxes ?? []).map((box) => toRelativeBox(box, scale));

  if (isObjectPrompt(request)) {
    const [boxXywh] = boxes;
    return {
      kind: "object",
      ...(request.obj_id !== undefined && { objectId: request.obj_id }),
      points: (request.points ?? []).map(([x, y]) => [x / scale.width, y / scale.height]),
      labels: request.point_labels ?? [],
      ...(boxXywh && { boxXywh }),
      ...(mask && { mask }),
      ...(shown && !mask && !boxXywh && { shown }),
      clearOldPoints: request.clear_old_points,
      clearOldBoxes: request.clear_old_boxes,
      ...(!request.track_others && { leavesOutOthers: true }),
    };
  }
  return {
    kind: "concept",
    ...(request.text !== undefined && { text: request.text }),
    ...(request.text_label === 0 && { negative: true }),
    ...(boxes.length > 0 && { exemplars: { boxesXywh: boxes, labels: request.bounding_box_labels ?? [] } }),
    replace: request.replace,
    ...(request.semantic_map && { semanticMap: true }),
  };
}

function toRelativeBox([x, y, w, h]: BoxXywh, { width, height }: FrameSize): BoxXywh {
  const [left, top] = [x / width, y / height];
  // Rounding can put the right or bottom edge slightly outside the frame.
  return [left, top, Math.min(w / width, 1 - left), Math.min(h / height, 1 - top)];
}

function checkPixels(request: AddPromptRequest, { width, height }: FrameSize): void {
  request.points?.forEach(([x, y], index) => {
    checkPixel(x, width, `points[${index}][0]`);
    checkPixel(y, height, `points[${index}][1]`);
  });
  request.bounding_boxes?.forEach(([x, y, w, h], index) => {
    checkPixel(x, width, `bounding_boxes[${index}][0]`);
    checkPixel(y, height, `bounding_boxes[${index}][1]`);
    checkPixel(x + w, width, `bounding_boxes[${index}][2]`);
    checkPixel(y + h, height, `bounding_boxes[${index}][3]`);
  });
}

/** @throws ProtocolError invalid_field for a position outside the frame */
export function checkPixel(value: number, limit: number, field: string): void {
  if (value >= 0 && value <= limit) return;
  throw new ProtocolError("invalid_field", `${field}: expected 0..${limit} pixels, got ${value}`, field);
}
