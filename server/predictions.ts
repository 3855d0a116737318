/** Converts a validated `predict` to an engine prompt, and predicted masks to the wire. */
import {
  type AnswerOf,
  decodeLowResMask,
  encodeLowResMask,
  type LowResMask,
  type PredictRequest,
  ProtocolError,
} from "../protocol/index.js";
import type { LogitMap, PredictedMask, PredictionPrompt } from "./engine/index.js";
import { checkPixel, type FrameSize } from "./prompts.js";

/** @throws ProtocolError invalid_field naming the pixel outside the frame, or what is wrong with `mask_input`. */
export function toPredictionPrompt(request: PredictRequest, size: FrameSize): PredictionPrompt {
  const { point_coords, point_labels, boxes, mask_input, rel_coordinates } = request;
  if (!rel_coordinates) checkPixels(request, size);
  const { width, height } = rel_coordinates ? { width: 1, height: 1 } : size;
  const batchSize = point_coords?.length ?? boxes?.length ?? 1;
  const none = () => Array.from({ length: batchSize }, () => []);
  return {
    points: point_coords?.map((points) => points.map(([x, y]) => [x / width, y / height])) ?? none(),
    labels: point_labels ?? none(),
    ...(boxes && {
      boxesXyxy: boxes.map(([x0, y0, x1, y1]) => [x0 / width, y0 / height, x1 / width, y1 / height]),
    }),
    ...(mask_input && { maskInput: readMaskInput(mask_input) }),
    multimask: request.multimask_output,
  };
}

/** Pixels of all masks that the answer to a prompt contains. */
export function pixelsOf({ points, multimask }: PredictionPrompt, { width, height }: FrameSize): number {
  return points.length * (multimask ? MASKS_PER_PROMPT : 1) * width * height;
}

/** Candidates of a prompt with `multimask_output`. */
const MASKS_PER_PROMPT = 3;

function readMaskInput(mask: LowResMask): LogitMap {
  try {
    return { logits: decodeLowResMask(mask), size: mask.size };
  } catch (cause) {
    const field = "mask_input.data";
    throw new ProtocolError("invalid_field", `${field}: ${(cause as Error).message}`, field, { cause });
  }
}

function checkPixels({ point_coords = [], boxes = [] }: PredictRequest, { width, height }: FrameSize): void {
  point_coords.forEach((points, row) => {
    points.forEach(([x, y], index) => {
      checkPixel(x, width, `point_coords[${row}][${index}][0]`);
      checkPixel(y, height, `point_coords[${row}][${index}][1]`);
    });
  });
  boxes.forEach((box, row) => {
    box.forEach((value, at) => {
      checkPixel(value, at % 2 === 0 ? width : height, `boxes[${row}][${at}]`);
    });
  });
}

export function toPredictions(
  predicted: readonly (readonly PredictedMask[])[],
  withLowResMasks: boolean,
): Omit<AnswerOf<"predict">, "frame_index"> {
  return {
    masks: predicted.map((candidates) => candidates.map(({ mask }) => mask)),
    iou_predictions: predicted.map((candidates) => candidates.map(({ iou }) => iou)),
    ...(withLowResMasks && { low_res_masks: predicted.map((candidates) => candidates.map(toLowResMask)) }),
  };
}

export function toLowResMask({ logits, size }: LogitMap): LowResMask {
  return encodeLowResMask(logits, size);
}
