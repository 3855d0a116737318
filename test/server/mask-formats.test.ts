/** Mask formats over a real socket, with the real model. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { connect, objectsOf } from "../../clients/typescript/index.js";
import { decodeMask, type FrameMessage, MASK_FORMATS, maskArea, unpackRle } from "../../protocol/index.js";
import { iou } from "../helpers/masks.js";
import { makeClip, paintDisc } from "../helpers/media.js";
import { startTestServer, type TestServer } from "../helpers/server.js";

let server: TestServer;
let clip: string;

beforeAll(async () => {
  clip = await makeClip({ name: "formats.mp4", frames: 4, paint: paintDisc });
  server = await startTestServer();
}, 180_000);

afterAll(() => server.close());

const click = { frame_index: 0, points: [[0.5, 0.5]], point_labels: [1] };
const forward = { type: "propagate_in_video", propagation_direction: "forward", start_frame_index: 0 };

test("a session has a format, and each request may choose another", async () => {
  const client = await server.connect();
  const { session_id } = await client.expectResponse({
    type: "start_session",
    resource_path: clip,
    mask_format: "binary",
  });
  const { outputs } = (await client.expectResponse({ type: "add_prompt", session_id, ...click })) as {
    outputs: FrameMessage["outputs"];
  };
  expect(outputs.out_packed_masks).toHaveLength(1);
  const { frames } = await client.stream({ ...forward, session_id, mask_format: "rle" });
  const expected = frames.map((frame) => (frame.outputs.out_binary_masks ?? []).map(decodeMask));
  expect(frames).toHaveLength(4);
  expect(maskArea(frames[0]?.outputs.out_binary_masks?.[0] ?? { size: [1, 1], counts: "1" })).toBeGreaterThan(
    20,
  );

  for (const mask_format of MASK_FORMATS) {
    const again = await client.stream({ ...forward, session_id, mask_format });
    expect(again.frames.map((frame) => frame.outputs.out_obj_ids)).toEqual(
      frames.map((frame) => frame.outputs.out_obj_ids),
    );
    if (mask_format === "none") continue;
    again.frames.forEach((frame, index) => {
      objectsOf(frame.outputs).forEach((object, position) => {
        const mask = expected[index]?.[position] ?? { width: 0, height: 0, data: new Uint8Array() };
        if (mask_format !== "polygons") expect(object.decodeMask()).toEqual(mask);
        else expect(iou(object.decodeMask(), mask)).toBeGreaterThan(0.9);
      });
    });
  }
  await client.close();
});

test("changed_only sends each frame, with the objects that changed", async () => {
  const client = await server.connect();
  const start = { type: "start_session", resource_path: clip, changed_only: true };
  const { session_id } = await client.expectResponse(start);
  await client.expectResponse({ type: "add_prompt", session_id, ...click, obj_id: 3 });
  const first = await client.stream({ ...forward, session_id });
  // The answer to the prompt had the mask of frame 0.
  expect(first.frames.map(({ outputs }) => outputs.out_obj_ids)).toEqual([[], [3], [3], [3]]);
  expect(first.frames[0]?.outputs.unchanged_obj_ids).toEqual([3]);
  const second = await client.stream({ ...forward, session_id });
  expect(second.frames.map(({ outputs }) => outputs.unchanged_obj_ids)).toEqual([[3], [3], [3], [3]]);
  const whole = await client.stream({ ...forward, session_id, changed_only: false });
  expect(whole.frames.map(({ outputs }) => outputs.out_obj_ids)).toEqual([[3], [3], [3], [3]]);
  await client.close();
});

test.each([
  ["mask_format", "bitmap", /mask_format.*"rle".*"none"/],
  ["mask_format", 3, /mask_format/],
  ["polygon_tolerance_px", -1, /polygon_tolerance_px.*-1/],
  ["polygon_tolerance_px", 1001, /polygon_tolerance_px.*1001/],
  ["changed_only", "yes", /changed_only/],
])("a wrong %s, %j, is refused in each request that has it", async (field, value, message) => {
  const client = await server.connect();
  for (const request of [
    { type: "start_session", resource_path: clip },
    { type: "add_prompt", session_id: "s", ...click },
    { ...forward, session_id: "s" },
  ]) {
    const error = await client.expectError({ ...request, [field]: value });
    expect(error).toMatchObject({ code: "invalid_field", field, message: expect.stringMatching(message) });
  }
  await client.close();
});

test("the TypeScript client decodes every format", async () => {
  const client = await connect(server.url);
  const session = await client.startSession({ resource_path: clip, mask_format: "binary" });
  const { outputs } = await session.addPrompt({ frame_index: 0, points: [[0.5, 0.5]], point_labels: [1] });
  const [expected] = objectsOf(outputs);
  for (const mask_format of ["rle", "binary", "png", "label_map"] as const) {
    for await (const frame of session.propagate({
      mask_format,
      start_frame_index: 0,
      max_frame_num_to_track: 0,
      propagation_direction: "forward",
    })) {
      const [object] = objectsOf(frame.outputs);
      expect(object?.rle).toEqual(expected?.rle);
      expect(object?.decodeMask()).toEqual(expected?.decodeMask());
    }
  }
  await client.close();
});

test("HTTP has packed masks as base64", async () => {
  const post = async (path: string, body: object) => {
    const response = await fetch(`${server.http}${path}`, { method: "POST", body: JSON.stringify(body) });
    return (await response.text())
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
  };
  const [{ session_id }] = await post("/v1/handle_request", { type: "start_session", resource_path: clip });
  const [answer] = await post("/v1/handle_request", {
    type: "add_prompt",
    session_id,
    ...click,
    mask_format: "binary",
  });
  const unpacked = answer.outputs.out_packed_masks.map((text: string) =>
    unpackRle(Buffer.from(text, "base64")),
  );
  const [frame] = await post("/v1/handle_stream_request", { ...forward, session_id });
  expect(frame.outputs.out_binary_masks).toEqual(unpacked);
  const [packed] = await post("/v1/handle_stream_request", { ...forward, session_id, mask_format: "binary" });
  expect(packed.outputs.out_packed_masks).toEqual(answer.outputs.out_packed_masks);
  await post("/v1/handle_request", { type: "close_session", session_id });
});
