import { describe, expect, test } from "vitest";
import { parseRequest } from "../../protocol/index.js";

const parse = (fields: object) => parseRequest({ type: "predict", session_id: "s", ...fields });
const mask_input = { size: [2, 2], dtype: "float16", data: "AAAAAAAAAAA=" };

describe("predict", () => {
  test("has SAM's defaults, and frame 0 by default", () => {
    expect(parse({ point_coords: [[[0.5, 0.5]]], point_labels: [[1]] })).toMatchObject({
      frame_index: 0,
      multimask_output: true,
      return_low_res_masks: true,
      rel_coordinates: true,
    });
  });

  test.each([
    ["a box alone", { boxes: [[0, 0, 1, 1]] }],
    ["a mask alone", { mask_input }],
    ["pixels", { boxes: [[425, 600, 700, 875]], rel_coordinates: false }],
    ["one click for each box", { boxes: [[0, 0, 1, 1]], point_coords: [[[0.5, 0.5]]], point_labels: [[0]] }],
  ])("accepts %s", (_, fields) => {
    expect(parse(fields)).toMatchObject(fields);
  });

  test.each([
    [{}, "point_coords: missing: expected point_coords, boxes or mask_input"],
    [{ point_labels: [[1]] }, "point_coords: missing: got point_labels without point_coords"],
    [{ point_coords: [[[0, 0]]] }, "point_labels: missing: expected one label per point, 1 or 0"],
    [
      { point_coords: [[[0, 0]], [[1, 1]]], point_labels: [[1]] },
      "point_labels: expected 2 lists of labels, got 1",
    ],
    [
      {
        point_coords: [
          [[0, 0]],
          [
            [1, 1],
            [0, 1],
          ],
        ],
        point_labels: [[1], [1, 1]],
      },
      "point_coords[1]: expected 1 points, as in the first prompt, got 2",
    ],
    [{ point_coords: [[[0, 0]]], point_labels: [[1, 1]] }, "point_labels[0]: expected 1 labels, got 2"],
    [
      {
        point_coords: [[[0, 0]]],
        point_labels: [[1]],
        boxes: [
          [0, 0, 1, 1],
          [0, 0, 1, 1],
        ],
      },
      "boxes: expected 1 boxes, as many as point_coords, got 2",
    ],
    [
      { point_coords: [[[0, 375]]], point_labels: [[1]] },
      "point_coords[0][0][1]: expected 0..1 of the frame (or set rel_coordinates to false), got 375",
    ],
    [
      {
        boxes: [
          [0, 0, 0.5, 0.5],
          [0.6, 0, 0.4, 0.2],
        ],
      },
      "boxes[1][2]: expected a right edge greater than the left edge 0.6, got 0.4",
    ],
    [
      { boxes: [[0, 0.5, 1, 0.5]] },
      "boxes[0][3]: expected a bottom edge greater than the top edge 0.5, got 0.5",
    ],
    [
      { mask_input: { ...mask_input, dtype: "float32" } },
      'mask_input.dtype: expected "float16", got "float32"',
    ],
    [{ point_coords: [[0, 0]], point_labels: [1] }, "point_coords[0][0]: expected an array, got 0"],
  ])("refuses %j", (fields, message) => {
    expect(() => parse(fields)).toThrow(message);
  });

  test("refuses semantic_map in a prompt for an object", () => {
    const click = {
      type: "add_prompt",
      session_id: "s",
      frame_index: 0,
      points: [[0, 0]],
      point_labels: [1],
    };
    expect(() => parseRequest({ ...click, semantic_map: true })).toThrow(
      "semantic_map: expected false: only a concept prompt has a semantic map",
    );
  });
});
