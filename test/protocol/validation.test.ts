import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  isObjectPrompt,
  type ParsedMessage,
  ProtocolError,
  parseMessage,
  parseRequest,
} from "../../protocol/index.js";

const prompt = (fields: object) => ({ type: "add_prompt", session_id: "s", frame_index: 0, ...fields });
const click = (fields: object = {}) => prompt({ points: [[0.5, 0.5]], point_labels: [1], ...fields });

/** The error of an invalid request body. */
function failure(body: unknown) {
  try {
    parseRequest(body);
  } catch (error) {
    if (error instanceof ProtocolError) return error.toBody();
    throw error;
  }
  throw new Error("the request was accepted");
}

const outcome = ({ requestId, error }: ParsedMessage) => ({
  requestId,
  code: error?.code,
  field: error?.field,
});

describe("a text message", () => {
  it("becomes a request with SAM 3's defaults filled in", () => {
    const text = '{"type":"propagate_in_video","request_id":"8","session_id":"s"}';
    expect(parseMessage(text)).toEqual({
      requestId: "8",
      request: {
        type: "propagate_in_video",
        session_id: "s",
        propagation_direction: "both",
        scope: "all",
        output_prob_thresh: 0.5,
      },
    });
  });

  it.each(["", "{", "nul", "[1", '{"a":1}}'])("is malformed when it is %j", (text) => {
    expect(outcome(parseMessage(text))).toEqual({
      requestId: null,
      code: "malformed_json",
      field: undefined,
    });
  });

  it.each(["null", "7", '"add_prompt"', "[]"])("is malformed when it is not an object: %s", (text) => {
    expect(outcome(parseMessage(text))).toMatchObject({ requestId: null, code: "malformed_json" });
  });

  it.each([
    ["absent", "{}", "missing_field"],
    ["a number", '{"request_id":7}', "invalid_field"],
    ["empty", '{"request_id":""}', "invalid_field"],
    ["longer than 128 characters", JSON.stringify({ request_id: "x".repeat(129) }), "invalid_field"],
    ["not Unicode", '{"request_id":"\\ud800"}', "invalid_field"],
  ])("gets an error with request_id null when its own is %s", (_, text, code) => {
    expect(outcome(parseMessage(text))).toEqual({ requestId: null, code, field: "request_id" });
  });

  it("gets an error with its request_id when another field is invalid", () => {
    expect(outcome(parseMessage('{"request_id":"9","type":"fly"}'))).toMatchObject({
      requestId: "9",
      code: "unknown_type",
    });
  });

  it("never makes the parser throw", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(parseMessage(text)).toHaveProperty("error");
      }),
    );
  });
});

describe("a request", () => {
  it("gets an error that lists the known types when its type is unknown", () => {
    expect(failure({ type: "fly" })).toMatchObject({ code: "unknown_type", field: "type" });
    expect(failure({ type: "fly" }).message).toContain("propagate_in_video");
    expect(failure({ type: "constructor" })).toMatchObject({ code: "unknown_type" });
    expect(failure({ type: 1 })).toMatchObject({ code: "unknown_type" });
    expect(failure({})).toMatchObject({ code: "missing_field", field: "type" });
  });

  it("may contain null for an absent field, as Python clients send it", () => {
    expect(parseRequest(prompt({ text: "dog", points: null, obj_id: null, replace: null }))).toMatchObject({
      text: "dog",
      replace: false,
    });
    expect(failure({ type: "get_session", session_id: null })).toMatchObject({
      code: "missing_field",
      field: "session_id",
    });
  });

  it.each([
    ["misspelt", { type: "get_session", sesion_id: "s" }, "sesion_id"],
    ["part of another request only", { type: "reset_session", session_id: "s", obj_id: 1 }, "obj_id"],
    ["named __proto__", JSON.parse('{"type":"get_session","session_id":"s","__proto__":{}}'), "__proto__"],
  ])("is refused when a field is %s", (_, body, field) => {
    expect(failure(body)).toMatchObject({ code: "unknown_field", field });
  });

  it.each([
    ["session_id", { type: "get_session" }],
    ["obj_id", { type: "remove_object", session_id: "s" }],
    ["frame_index", { type: "add_prompt", session_id: "s", text: "dog" }],
    ["resource_path", { type: "start_session" }],
    ["text", prompt({})],
    ["text", prompt({ obj_id: 1 })],
    ["point_labels", prompt({ points: [[0.5, 0.5]] })],
    ["points", prompt({ text: "dog", point_labels: [1] })],
    ["bounding_box_labels", prompt({ bounding_boxes: [[0, 0, 1, 1]] })],
    ["bounding_boxes", prompt({ text: "dog", bounding_box_labels: [1] })],
    ["obj_id", click({ bounding_boxes: [[0, 0, 1, 1]] })],
  ])("is refused without %s", (field, body) => {
    expect(failure(body)).toMatchObject({ code: "missing_field", field, retryable: false });
  });

  it.each<[string, object, string]>([
    ["an index below 0", prompt({ frame_index: -1, text: "dog" }), "frame_index"],
    ["a fractional index", prompt({ frame_index: 0.5, text: "dog" }), "frame_index"],
    ["an index as text", prompt({ frame_index: "0", text: "dog" }), "frame_index"],
    ["an empty phrase", prompt({ text: "  " }), "text"],
    ["a phrase that is too long", prompt({ text: "x".repeat(201) }), "text"],
    ["a phrase that is not Unicode", prompt({ text: "\udfff" }), "text"],
    ["an infinite coordinate", JSON.parse(JSON.stringify(click()).replace("0.5", "1e999")), "points[0][0]"],
    ["a coordinate that is NaN", click({ points: [[0.5, Number.NaN]] }), "points[0][1]"],
    ["a point outside the frame", click({ points: [[0.5, 1.01]] }), "points[0][1]"],
    ["a negative relative coordinate", click({ points: [[-0.1, 0.5]] }), "points[0][0]"],
    ["a point of three numbers", click({ points: [[0.5, 0.5, 0.5]] }), "points[0]"],
    ["a point of one number", click({ points: [[0.5]] }), "points[0]"],
    ["a coordinate as text", click({ points: [["0.5", 0.5]] }), "points[0][0]"],
    ["points that are not a list", click({ points: "0.5,0.5" }), "points"],
    ["an empty list of points", click({ points: [] }), "points"],
    ["too many points", click({ points: Array(257).fill([0.5, 0.5]) }), "points"],
    ["more labels than points", click({ point_labels: [1, 0] }), "point_labels"],
    ["a label of 2", click({ point_labels: [2] }), "point_labels[0]"],
    ["an id below 0", click({ obj_id: -1 }), "obj_id"],
    ["text with points", click({ text: "dog" }), "points"],
    ["text with an id", prompt({ text: "dog", obj_id: 1 }), "obj_id"],
    [
      "two boxes for one object",
      prompt({
        obj_id: 1,
        bounding_boxes: [
          [0, 0, 1, 1],
          [0, 0, 1, 1],
        ],
      }),
      "bounding_boxes",
    ],
    [
      "a negative box for an object",
      prompt({ obj_id: 1, bounding_boxes: [[0, 0, 1, 1]], bounding_box_labels: [0] }),
      "bounding_box_labels",
    ],
    [
      "a box without width",
      prompt({ obj_id: 1, bounding_boxes: [[0.5, 0.5, 0, 0.1]] }),
      "bounding_boxes[0][2]",
    ],
    [
      "a box that leaves the frame",
      prompt({ obj_id: 1, bounding_boxes: [[0.5, 0.5, 0.1, 0.6]] }),
      "bounding_boxes[0][3]",
    ],
    ["a click that replaces concepts", click({ replace: true }), "replace"],
    ["a threshold above 1", prompt({ text: "dog", output_prob_thresh: 1.5 }), "output_prob_thresh"],
    ["a flag as text", prompt({ text: "dog", replace: "yes" }), "replace"],
    ["two resources", { type: "start_session", resource_path: "a.mp4", upload_id: "u" }, "upload_id"],
    ["a path with NUL", { type: "start_session", resource_path: "a\0.mp4" }, "resource_path"],
    [
      "an unknown direction",
      { type: "propagate_in_video", session_id: "s", propagation_direction: "up" },
      "propagation_direction",
    ],
    [
      "a frame count below 0",
      { type: "propagate_in_video", session_id: "s", max_frame_num_to_track: -1 },
      "max_frame_num_to_track",
    ],
  ])("is refused with %s", (_, body, field) => {
    expect(failure(body)).toMatchObject({ code: "invalid_field", field });
  });

  it("gets a message with the expectation and the received value", () => {
    expect(failure(click({ points: [[0.5, 1.5]] })).message).toBe(
      "points[0][1]: expected 0..1 of the frame (or set rel_coordinates to false), got 1.5",
    );
    expect(failure(prompt({ frame_index: "7", text: "dog" })).message).toBe(
      'frame_index: expected the index of a frame, an integer from 0, or "latest", got "7"',
    );
    expect(failure(prompt({ frame_index: 1.5, text: "dog" })).message).toBe(
      'frame_index: expected the index of a frame, an integer from 0, or "latest", got 1.5',
    );
    expect(failure(click({ point_labels: [3] })).message).toBe("point_labels[0]: expected 0 or 1, got 3");
    expect(failure(click({ points: [] })).message).toBe(
      "points: expected at least 1 item, got an array of 0",
    );
  });

  it("gets an error that does not repeat a large value", () => {
    const { message } = failure({ type: "x".repeat(10_000) });
    expect(message.length).toBeLessThan(600);
  });
});

describe("a prompt", () => {
  it.each([
    ["a phrase", prompt({ text: "dog" }), false],
    [
      "a phrase with exemplars",
      prompt({ text: "dog", bounding_boxes: [[0, 0, 1, 1]], bounding_box_labels: [0] }),
      false,
    ],
    ["exemplars alone", prompt({ bounding_boxes: [[0, 0, 0.5, 1]], bounding_box_labels: [1] }), false],
    ["clicks without an id", click(), true],
    ["clicks on a chosen object", click({ obj_id: 7 }), true],
    ["one object's box", prompt({ obj_id: 0, bounding_boxes: [[0, 0, 1, 1]] }), true],
    ["a box with clicks", click({ obj_id: 0, bounding_boxes: [[0, 0, 1, 1]] }), true],
  ])("can be %s", (_, body, isObject) => {
    const request = parseRequest(body);
    expect(request.type === "add_prompt" && isObjectPrompt(request)).toBe(isObject);
  });

  it("may touch the edges of the frame, also after rounding to 32-bit floats", () => {
    parseRequest(click({ points: [[0, 1]] }));
    parseRequest(prompt({ obj_id: 1, bounding_boxes: [[Math.fround(0.1), 0, Math.fround(0.9), 1]] }));
  });

  it("may use pixels with rel_coordinates: false", () => {
    parseRequest(click({ points: [[1919, 1079]], rel_coordinates: false }));
  });

  it("has its phrase trimmed", () => {
    expect(parseRequest(prompt({ text: " red circle " }))).toMatchObject({ text: "red circle" });
  });
});
