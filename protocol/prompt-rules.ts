/** The rules of `add_prompt` that concern several fields at once. */

export interface PromptFields {
  text?: string;
  points?: [number, number][];
  point_labels?: (0 | 1)[];
  bounding_boxes?: [number, number, number, number][];
  bounding_box_labels?: (0 | 1)[];
  obj_id?: number;
  rel_coordinates: boolean;
  replace: boolean;
  semantic_map: boolean;
}

export interface PromptProblem {
  path: (string | number)[];
  message: string;
  /** The field is absent, not wrong. */
  missing: boolean;
}

type LabelField = "point_labels" | "bounding_box_labels";

/** Relative boxes computed in 32-bit floats may end a hair outside the frame. */
const EDGE_TOLERANCE = 1e-4;

/** The first contradiction between the fields of one prompt. Pixel ranges need the video and are the server's to check. */
export function promptProblem(prompt: PromptFields): PromptProblem | undefined {
  return combinationProblem(prompt) ?? coordinateProblem(prompt);
}

function combinationProblem(prompt: PromptFields): PromptProblem | undefined {
  const { text, points, point_labels, bounding_boxes, bounding_box_labels, obj_id } = prompt;

  if (text === undefined && points === undefined && bounding_boxes === undefined) {
    return missing("text", "a prompt needs text, points or bounding_boxes");
  }
  if (text !== undefined && points !== undefined) {
    return wrong(
      ["points"],
      "expected text or points, got both: text finds objects, points make or correct one",
    );
  }
  if (text !== undefined && obj_id !== undefined) {
    return wrong(["obj_id"], "expected no obj_id with text: each object it finds gets its own id");
  }
  if (points === undefined && point_labels !== undefined) {
    return missing("points", "point_labels came without points");
  }
  if (bounding_boxes === undefined && bounding_box_labels !== undefined) {
    return missing("bounding_boxes", "bounding_box_labels came without bounding_boxes");
  }
  if (obj_id !== undefined || points !== undefined) return objectProblem(prompt);
  return labelProblem("bounding_box_labels", bounding_boxes, bounding_box_labels);
}

function objectProblem(prompt: PromptFields): PromptProblem | undefined {
  const { points, point_labels, bounding_boxes, bounding_box_labels, obj_id, replace, semantic_map } = prompt;
  if (replace) return wrong(["replace"], "expected false: only a concept can replace concepts");
  if (semantic_map) return wrong(["semantic_map"], "expected false: only a concept has a semantic map");
  if (bounding_boxes !== undefined) {
    if (obj_id === undefined) return missing("obj_id", "points with a box are about one object; name it");
    if (bounding_boxes.length !== 1) {
      return wrong(["bounding_boxes"], `expected one box for object ${obj_id}, got ${bounding_boxes.length}`);
    }
    if (bounding_box_labels?.some((label) => label !== 1)) {
      return wrong(["bounding_box_labels"], "expected no label 0: a box with obj_id is the object itself");
    }
  }
  return labelProblem("point_labels", points, point_labels);
}

function labelProblem(field: LabelField, labelled: unknown[] | undefined, labels: unknown[] | undefined) {
  if (labelled === undefined) return undefined;
  if (labels === undefined) return missing(field, "one label each, 1 or 0");
  if (labels.length === labelled.length) return undefined;
  return wrong([field], `expected ${labelled.length} labels, got ${labels.length}`);
}

function coordinateProblem(prompt: PromptFields): PromptProblem | undefined {
  const limit = prompt.rel_coordinates ? 1 : Number.MAX_SAFE_INTEGER;
  const expected = prompt.rel_coordinates
    ? "expected 0..1 of the frame (or set rel_coordinates to false)"
    : "expected a pixel position";

  for (const field of ["points", "bounding_boxes"] as const) {
    for (const [index, numbers] of (prompt[field] ?? []).entries()) {
      const at = numbers.findIndex((value) => value < 0 || value > limit);
      if (at >= 0) return wrong([field, index, at], `${expected}, got ${numbers[at]}`);
    }
  }
  for (const [index, [x, y, width, height]] of (prompt.bounding_boxes ?? []).entries()) {
    for (const [part, start, extent] of [[2, x, width] as const, [3, y, height] as const]) {
      const path = ["bounding_boxes", index, part];
      if (extent === 0) return wrong(path, "expected an extent above 0, got 0");
      const edge = start + extent;
      if (edge > limit + EDGE_TOLERANCE)
        return wrong(path, `expected a box inside the frame, got an edge at ${edge}`);
    }
  }
  return undefined;
}

export function wrong(path: (string | number)[], message: string): PromptProblem {
  return { path, message, missing: false };
}

export function missing(field: string, message: string): PromptProblem {
  return { path: [field], message: `missing: ${message}`, missing: true };
}
