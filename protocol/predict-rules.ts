/** Rules of `predict` that involve several fields. */
import { missing, type PromptProblem, wrong } from "./problem.js";
import { isOutside, RELATIVE } from "./prompt-rules.js";

export interface PredictFields {
  point_coords?: [number, number][][];
  point_labels?: (0 | 1)[][];
  boxes?: [number, number, number, number][];
  mask_input?: unknown;
  rel_coordinates: boolean;
}

/** The first contradiction between fields. The server checks pixel ranges and the size of `mask_input`. */
export function predictProblem(fields: PredictFields): PromptProblem | undefined {
  return countProblem(fields) ?? coordinateProblem(fields);
}

function countProblem({
  point_coords,
  point_labels,
  boxes,
  mask_input,
}: PredictFields): PromptProblem | undefined {
  if (point_coords === undefined) {
    if (point_labels !== undefined) return missing("point_coords", "got point_labels without point_coords");
    if (boxes === undefined && mask_input === undefined) {
      return missing("point_coords", "expected point_coords, boxes or mask_input");
    }
    return undefined;
  }
  if (point_labels === undefined) return missing("point_labels", "expected one label per point, 1 or 0");
  if (point_labels.length !== point_coords.length) {
    return wrong(
      ["point_labels"],
      `expected ${point_coords.length} lists of labels, got ${point_labels.length}`,
    );
  }
  if (boxes !== undefined && boxes.length !== point_coords.length) {
    return wrong(
      ["boxes"],
      `expected ${point_coords.length} boxes, as many as point_coords, got ${boxes.length}`,
    );
  }
  const each = point_coords[0]?.length ?? 0;
  for (const [row, points] of point_coords.entries()) {
    if (points.length !== each) {
      return wrong(
        ["point_coords", row],
        `expected ${each} points, as in the first prompt, got ${points.length}`,
      );
    }
    const labels = point_labels[row]?.length;
    if (labels !== each) return wrong(["point_labels", row], `expected ${each} labels, got ${labels}`);
  }
  return undefined;
}

function coordinateProblem({
  point_coords = [],
  boxes = [],
  rel_coordinates,
}: PredictFields): PromptProblem | undefined {
  const outside = rel_coordinates ? isOutside : () => false;
  for (const [row, points] of point_coords.entries()) {
    for (const [index, point] of points.entries()) {
      const at = point.findIndex(outside);
      if (at >= 0) return wrong(["point_coords", row, index, at], `${RELATIVE}, got ${point[at]}`);
    }
  }
  for (const [row, box] of boxes.entries()) {
    const at = box.findIndex(outside);
    if (at >= 0) return wrong(["boxes", row, at], `${RELATIVE}, got ${box[at]}`);
    const [x0, y0, x1, y1] = box;
    if (x1 <= x0)
      return wrong(["boxes", row, 2], `expected a right edge greater than the left edge ${x0}, got ${x1}`);
    if (y1 <= y0)
      return wrong(["boxes", row, 3], `expected a bottom edge greater than the top edge ${y0}, got ${y1}`);
  }
  return undefined;
}
