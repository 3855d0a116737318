/** Rules of `add_prompt` that involve several fields. */
import { missing, type PromptProblem, wrong } from "./problem.js";
import { type MaskInput, maskProblem } from "./requests/masks.js";

export interface PromptFields {
  text?: string;
  text_label?: 0 | 1;
  points?: [number, number][];
  point_labels?: (0 | 1)[];
  bounding_boxes?: [number, number, number, number][];
  bounding_box_labels?: (0 | 1)[];
  obj_id?: number;
  mask?: MaskInput;
  rel_coordinates: boolean;
  replace: boolean;
  semantic_map: boolean;
}

type LabelField = "point_labels" | "bounding_box_labels";

/** Rounding to 32-bit floats may place the edge of a relative box slightly outside the frame. */
const EDGE_TOLERANCE = 1e-4;

export const RELATIVE = "expected 0..1 of the frame (or set rel_coordinates to false)";

/** True for a number that is no relative coordinate. */
export const isOutside = (value: number) => value < 0 || value > 1;

/** The first contradiction between the fields of a prompt. The server checks pixel ranges. */
export function promptProblem(prompt: PromptFields): PromptProblem | undefined {
  return combinationProblem(prompt) ?? coordinateProblem(prompt);
}

function combinationProblem(prompt: PromptFields): PromptProblem | undefined {
  const { text, points, point_labels, bounding_boxes, bounding_box_labels, obj_id, mask } = prompt;

  if (text === undefined && points === undefined && bounding_boxes === undefined && mask === undefined) {
    return missing("text", "expected text, points, bounding_boxes or mask");
  }
  if (text !== undefined && mask !== undefined) {
    return wrong(
      ["mask"],
      "expected text or mask, got both: text finds every instance, a mask is one object",
    );
  }
  if (text !== undefined && points !== undefined) {
    return wrong(
      ["points"],
      "expected text or points, got both: text finds every instance, points mark one object",
    );
  }
  if (text !== undefined && obj_id !== undefined) {
    return wrong(
      ["obj_id"],
      "expected no obj_id with text: each object that the phrase finds gets an id of its own",
    );
  }
  if (prompt.text_label === 0) return negativeProblem(prompt);
  if (points === undefined && point_labels !== undefined) {
    return missing("points", "got point_labels without points");
  }
  if (bounding_boxes === undefined && bounding_box_labels !== undefined) {
    return missing("bounding_boxes", "got bounding_box_labels without bounding_boxes");
  }
  if (obj_id !== undefined || points !== undefined || mask !== undefined) return objectProblem(prompt);
  return labelProblem("bounding_box_labels", bounding_boxes, bounding_box_labels);
}

function negativeProblem(prompt: PromptFields): PromptProblem | undefined {
  const { text, bounding_boxes, replace, semantic_map } = prompt;
  if (text === undefined) return missing("text", "expected a phrase with text_label 0");
  if (bounding_boxes !== undefined)
    return wrong(
      ["bounding_boxes"],
      "expected no boxes with text_label 0: bounding_box_labels 0 marks negative exemplars",
    );
  if (replace) return wrong(["replace"], "expected false with text_label 0: it adds to the other concepts");
  if (semantic_map) return wrong(["semantic_map"], "expected false with text_label 0: no object is found");
  return undefined;
}

function objectProblem(prompt: PromptFields): PromptProblem | undefined {
  const { points, point_labels, bounding_boxes, bounding_box_labels, obj_id, mask, replace, semantic_map } =
    prompt;
  if (replace) return wrong(["replace"], "expected false: only a concept prompt can replace concepts");
  if (semantic_map)
    return wrong(["semantic_map"], "expected false: only a concept prompt has a semantic map");
  if (mask !== undefined) {
    if (bounding_boxes !== undefined)
      return wrong(
        ["bounding_boxes"],
        "expected mask or bounding_boxes, got both: a mask is the whole object",
      );
    const problem = maskProblem(mask);
    if (problem) return problem;
  }
  if (bounding_boxes !== undefined) {
    if (obj_id === undefined)
      return missing("obj_id", "expected the object that the points and the box belong to");
    if (bounding_boxes.length !== 1) {
      return wrong(["bounding_boxes"], `expected one box for object ${obj_id}, got ${bounding_boxes.length}`);
    }
    if (bounding_box_labels?.some((label) => label !== 1)) {
      return wrong(["bounding_box_labels"], "expected no label 0: a box with obj_id marks the object itself");
    }
  }
  return labelProblem("point_labels", points, point_labels);
}

function labelProblem(field: LabelField, labelled: unknown[] | undefined, labels: unknown[] | undefined) {
  if (labelled === undefined) return undefined;
  if (labels === undefined) return missing(field, "expected one label each, 1 or 0");
  if (labels.length === labelled.length) return undefined;
  return wrong([field], `expected ${labelled.length} labels, got ${labels.length}`);
}

function coordinateProblem(prompt: PromptFields): PromptProblem | undefined {
  for (const field of ["points", "bounding_boxes"] as const) {
    for (const [index, numbers] of (prompt[field] ?? []).entries()) {
      const at = prompt.rel_coordinates ? numbers.findIndex(isOutside) : -1;
      if (at >= 0) return wrong([field, index, at], `${RELATIVE}, got ${numbers[at]}`);
    }
  }
  const limit = prompt.rel_coordinates ? 1 : Number.POSITIVE_INFINITY;
  for (const [index, [x, y, width, height]] of (prompt.bounding_boxes ?? []).entries()) {
    for (const [part, start, extent] of [[2, x, width] as const, [3, y, height] as const]) {
      const path = ["bounding_boxes", index, part];
      if (extent <= 0) return wrong(path, `expected an extent above 0, got ${extent}`);
      const edge = start + extent;
      if (edge > limit + EDGE_TOLERANCE)
        return wrong(path, `expected a box inside the frame, got an edge at ${edge}`);
    }
  }
  return undefined;
}
