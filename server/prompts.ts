/** From a validated `add_prompt` to what the engine is told: relative coordinates, one kind of prompt. */
import { type AddPromptRequest, isObjectPrompt, ProtocolError } from "../protocol/index.js";
import type { BoxXywh, EnginePrompt } from "./engine/index.js";

export interface FrameSize {
  width: number;
  height: number;
}

/** @throws ProtocolError invalid_field naming the pixel coordinate that lies outside the frame. */
export function toEnginePrompt(request: AddPromptRequest, size: FrameSize): EnginePrompt {
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
      clearOldPoints: request.clear_old_points,
      clearOldBoxes: request.clear_old_boxes,
    };
  }
  return {
    kind: "concept",
    ...(request.text !== undefined && { text: request.text }),
    ...(boxes.length > 0 && { exemplars: { boxesXywh: boxes, labels: request.bounding_box_labels ?? [] } }),
    replace: request.replace,
  };
}

function toRelativeBox([x, y, w, h]: BoxXywh, { width, height }: FrameSize): BoxXywh {
  const [left, top] = [x / width, y / height];
  // Sums of rounded numbers end a hair outside the frame.
  return [left, top, Math.min(w / width, 1 - left), Math.min(h / height, 1 - top)];
}

function checkPixels(request: AddPromptRequest, { width, height }: FrameSize): void {
  const check = (value: number, limit: number, field: string) => {
    if (value > limit) {
      throw new ProtocolError("invalid_field", `${field}: expected 0..${limit} pixels, got ${value}`, field);
    }
  };
  request.points?.forEach(([x, y], index) => {
    check(x, width, `points[${index}][0]`);
    check(y, height, `points[${index}][1]`);
  });
  request.bounding_boxes?.forEach(([x, y, w, h], index) => {
    check(x, width, `bounding_boxes[${index}][0]`);
    check(y, height, `bounding_boxes[${index}][1]`);
    check(x + w, width, `bounding_boxes[${index}][2]`);
    check(y + h, height, `bounding_boxes[${index}][3]`);
  });
}
