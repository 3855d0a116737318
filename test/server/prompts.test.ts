import fc from "fast-check";
import { expect, test } from "vitest";
import { type AddPromptRequest, parseRequest } from "../../protocol/index.js";
import { toEnginePrompt } from "../../server/prompts.js";

const size = { width: 640, height: 360 };
const prompt = (fields: object) =>
  toEnginePrompt(
    parseRequest({ type: "add_prompt", session_id: "s", frame_index: 0, ...fields }) as AddPromptRequest,
    size,
  );

test("converts pixels and fractions of the frame to the same prompt", () => {
  const fractions = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(fractions, fractions, (x, y) => {
      const labels = { point_labels: [1] };
      const relative = prompt({ ...labels, points: [[x, y]] });
      const absolute = prompt({
        ...labels,
        points: [[x * size.width, y * size.height]],
        rel_coordinates: false,
      });
      if (relative.kind !== "object" || absolute.kind !== "object") throw new Error("not an object");
      expect(absolute.points[0]?.[0]).toBeCloseTo(relative.points[0]?.[0] as number, 10);
      expect(absolute.points[0]?.[1]).toBeCloseTo(relative.points[0]?.[1] as number, 10);
    }),
  );
});

test("converts a box with an id to a prompt for that object, and one without to an exemplar", () => {
  const box = [160, 90, 320, 180];
  const pixels = { rel_coordinates: false, bounding_boxes: [box] };
  expect(prompt({ ...pixels, obj_id: 4 })).toEqual({
    kind: "object",
    objectId: 4,
    points: [],
    labels: [],
    boxXywh: [0.25, 0.25, 0.5, 0.5],
    clearOldPoints: true,
    clearOldBoxes: true,
  });
  expect(prompt({ ...pixels, bounding_box_labels: [0], text: "dog" })).toEqual({
    kind: "concept",
    text: "dog",
    exemplars: { boxesXywh: [[0.25, 0.25, 0.5, 0.5]], labels: [0] },
    replace: false,
  });
});

test("passes on whether earlier points, boxes and concepts are cleared, and others are left out", () => {
  const click = { points: [[0.5, 0.5]], point_labels: [0] };
  expect(prompt({ ...click, clear_old_points: false })).toMatchObject({ clearOldPoints: false, labels: [0] });
  expect(prompt({ ...click, clear_old_boxes: false })).toMatchObject({
    clearOldPoints: true,
    clearOldBoxes: false,
  });
  expect(prompt({ ...click, track_others: false })).toMatchObject({ leavesOutOthers: true });
  expect(prompt({ text: "dog", replace: true })).toEqual({ kind: "concept", text: "dog", replace: true });
});

test("clips a box that ends slightly outside the frame", () => {
  const moved = prompt({ obj_id: 0, bounding_boxes: [[0.4, 0.4, 0.60001, 0.6]] });
  expect(moved).toMatchObject({ boxXywh: [0.4, 0.4, 0.6, 0.6] });
});

test.each([
  [
    "points[1][0]",
    {
      points: [
        [1, 1],
        [640.5, 3],
      ],
      point_labels: [1, 1],
    },
  ],
  ["points[0][1]", { points: [[1, 361]], point_labels: [1] }],
  ["bounding_boxes[0][0]", { bounding_boxes: [[641, 0, 1, 1]], obj_id: 1 }],
  ["bounding_boxes[0][1]", { bounding_boxes: [[0, 400, 1, 1]], obj_id: 1 }],
  ["bounding_boxes[0][2]", { bounding_boxes: [[600, 0, 50, 10]], obj_id: 1 }],
  [
    "bounding_boxes[1][3]",
    {
      bounding_boxes: [
        [0, 0, 9, 9],
        [0, 300, 10, 70],
      ],
      bounding_box_labels: [1, 1],
    },
  ],
])("names %s in the error when it lies outside the frame", (field, fields) => {
  expect(() => prompt({ ...fields, rel_coordinates: false })).toThrow(
    expect.objectContaining({ code: "invalid_field", field }),
  );
});
