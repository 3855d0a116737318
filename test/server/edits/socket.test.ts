/** Edits of tracked objects over a socket, with the compact pack: two coloured squares that move in opposite directions. */
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { decodeMask, type FrameMessage } from "../../../protocol/index.js";
import type { Fields, RawClient } from "../../helpers/client.js";
import { mediaPath } from "../../helpers/media.js";
import { startTestServer, type TestServer } from "../../helpers/server.js";

const FRAMES = 12;
const [WIDTH, HEIGHT] = [96, 64];
const SIDE = 18;
const RED = 1;
const BLUE = 2;

/** Left edge of a square on a frame, in pixels. */
const leftOf = (objectId: number, frame: number) => (objectId === RED ? 4 + 4 * frame : 70 - 4 * frame);
const topOf = (objectId: number) => (objectId === RED ? 6 : 38);

let server: TestServer;
let client: RawClient;
let folder: string;
let session_id: string;

beforeAll(async () => {
  folder = mediaPath("squares");
  for (let frame = 0; frame < FRAMES; frame++) {
    const square = (objectId: number, background: string) => ({
      input: { create: { width: SIDE, height: SIDE, channels: 3 as const, background } },
      left: leftOf(objectId, frame),
      top: topOf(objectId),
    });
    await sharp({ create: { width: WIDTH, height: HEIGHT, channels: 3, background: "#6e6e6e" } })
      .composite([square(RED, "#dc1e1e"), square(BLUE, "#1e3cdc")])
      .png()
      .toFile(mediaPath(`squares/${frame}.png`));
  }
  server = await startTestServer();
  client = await server.connect();
}, 60_000);

afterAll(() => server.close());

const ask = (type: string, fields: Fields = {}) => client.expectResponse({ type, session_id, ...fields });
const refusal = (type: string, fields: Fields = {}) => client.expectError({ type, session_id, ...fields });

/** The centre of each object on each frame of a stream, in pixels. */
async function propagate(fields: Fields = {}): Promise<Map<number, Record<number, [number, number]>>> {
  const { frames, end } = await client.stream({ type: "propagate_in_video", session_id, ...fields });
  expect(end.type).toBe("done");
  return new Map(frames.map((frame) => [frame.frame_index, centres(frame)]));
}

function centres({ outputs }: FrameMessage): Record<number, [number, number]> {
  return Object.fromEntries(
    outputs.out_obj_ids.map((id, index) => {
      const { data } = decodeMask(outputs.out_binary_masks?.[index] as never);
      const inside = [...data.keys()].filter((pixel) => data[pixel] === 1);
      const mean = (of: (pixel: number) => number) =>
        inside.reduce((sum, pixel) => sum + of(pixel), 0) / inside.length;
      return [id, [mean((pixel) => pixel % WIDTH), mean((pixel) => Math.floor(pixel / WIDTH))]];
    }),
  );
}

const box = (objectId: number, frame: number) => ({
  frame_index: frame,
  obj_id: objectId,
  rel_coordinates: false,
  bounding_boxes: [[leftOf(objectId, frame), topOf(objectId), SIDE, SIDE]],
});

/** Whether an object covers a square on a frame, by the centres of both. */
const isOn = (centre: [number, number] | undefined, square: number, frame: number) =>
  centre !== undefined &&
  Math.abs(centre[0] - leftOf(square, frame) - SIDE / 2) < 6 &&
  Math.abs(centre[1] - topOf(square) - SIDE / 2) < 6;

/** Ids of the objects on each frame. */
const idsOf = (shown: ReadonlyMap<number, object>) =>
  [...shown].sort(([a], [b]) => a - b).map(([, objects]) => Object.keys(objects).map(Number));

beforeEach(async () => {
  const answer = await client.expectResponse({ type: "start_session", resource_path: folder });
  session_id = answer.session_id as string;
  await ask("add_prompt", box(RED, 0));
  await ask("add_prompt", box(BLUE, 0));
});

afterEach(() => ask("close_session"));

describe("edits", () => {
  test("lock frames: each pass shows the stored masks exactly, until they are unlocked", async () => {
    const masksOf = async (fields: Fields) => {
      const { frames } = await client.stream({ type: "propagate_in_video", session_id, ...fields });
      return new Map(frames.map(({ frame_index, outputs }) => [frame_index, outputs.out_binary_masks?.[0]]));
    };
    const before = await masksOf({});
    const range = { obj_id: RED, first_frame_index: 4, last_frame_index: 6 };
    expect(await ask("lock_frames", range)).toMatchObject({ affected: [], num_masks: 3 });
    const { objects } = await ask("get_session");
    expect(objects).toMatchObject([{ obj_id: RED, locked_frames: [[4, 6]] }, { obj_id: BLUE }]);
    const after = await masksOf({ start_frame_index: FRAMES - 1, propagation_direction: "backward" });
    for (const frame of [4, 5, 6]) expect(after.get(frame)).toEqual(before.get(frame));
    expect(await refusal("add_prompt", box(RED, 5))).toMatchObject({
      code: "invalid_field",
      field: "frame_index",
    });
    expect(await ask("lock_frames", { ...range, locked: false })).toMatchObject({ num_masks: 3 });
    await ask("add_prompt", box(RED, 5));
  });

  test("mark an object absent: it has no mask there, and only the frames behind are computed again", async () => {
    await propagate();
    const range = { obj_id: RED, first_frame_index: 4, last_frame_index: 6 };
    expect((await ask("mark_absent", range)).affected).toEqual([
      { obj_id: RED, first_frame_index: 7, last_frame_index: FRAMES - 1 },
    ]);
    const hidden = (shown: ReadonlyMap<number, object>) =>
      idsOf(shown).flatMap((ids, frame) => (ids.includes(RED) ? [] : [frame]));
    expect(hidden(await propagate({ scope: "stored" }))).toEqual([4, 5, 6]);
    expect([...(await propagate({ scope: "affected" })).keys()]).toEqual([7, 8, 9, 10, 11]);
    const shown = await propagate();
    expect(hidden(shown)).toEqual([4, 5, 6]);
    expect(isOn(shown.get(9)?.[RED], RED, 9)).toBe(true);
    const { affected } = await ask("mark_absent", { ...range, absent: false });
    expect(affected).toEqual([{ obj_id: RED, first_frame_index: 1, last_frame_index: FRAMES - 1 }]);
    await propagate({ scope: "affected" });
    expect(hidden(await propagate({ scope: "stored" }))).toEqual([]);
  });

  test("swap two objects from a frame on, now and in the next pass", async () => {
    await propagate();
    await ask("swap_objects", { obj_id: RED, other_obj_id: BLUE, frame_index: 5 });
    const stored = await propagate({ scope: "stored" });
    for (const [frame, objects] of stored) {
      const isSwapped = frame >= 5;
      expect(isOn(objects[RED], isSwapped ? BLUE : RED, frame)).toBe(true);
      expect(isOn(objects[BLUE], isSwapped ? RED : BLUE, frame)).toBe(true);
    }
    const again = await propagate();
    expect(isOn(again.get(5)?.[RED], BLUE, 5)).toBe(true);
    expect(isOn(again.get(5)?.[BLUE], RED, 5)).toBe(true);
  });

  test("split an object in time, and merge the parts again", async () => {
    const before = await propagate();
    const { new_obj_id: created } = await ask("split_object", { obj_id: RED, frame_index: 6 });
    expect(created).toBe(3);
    const parts = await propagate({ scope: "stored" });
    expect(idsOf(parts).map((ids) => ids.join())).toEqual([...Array(6).fill("1,2"), ...Array(6).fill("2,3")]);
    expect(parts.get(9)?.[3]).toEqual(before.get(9)?.[RED]);
    // A pass tracks each part on its own side only.
    expect(idsOf(await propagate())).toEqual(idsOf(parts));
    expect(await ask("merge_objects", { obj_id: RED, other_obj_ids: [created] })).toMatchObject({
      affected: [],
      removed_obj_ids: [created],
    });
    expect(idsOf(await propagate({ scope: "stored" }))).toEqual(idsOf(before));
    const whole = await propagate();
    expect(isOn(whole.get(3)?.[RED], RED, 3)).toBe(true);
    expect(isOn(whole.get(9)?.[RED], RED, 9)).toBe(true);
  });

  test("merge two objects into their union, whose locked frames stay locked", async () => {
    await propagate();
    await ask("lock_frames", { obj_id: BLUE, first_frame_index: 8, last_frame_index: 8 });
    await ask("merge_objects", { obj_id: BLUE, other_obj_ids: [RED] });
    const stored = await propagate({ scope: "stored" });
    expect(idsOf(stored)).toEqual(Array(FRAMES).fill([BLUE]));
    const [x, y] = stored.get(8)?.[BLUE] ?? [0, 0];
    expect(x).toBeCloseTo((leftOf(RED, 8) + leftOf(BLUE, 8)) / 2 + SIDE / 2, -1);
    expect(y).toBeCloseTo((topOf(RED) + topOf(BLUE)) / 2 + SIDE / 2, -1);
    expect((await ask("get_session")).objects).toMatchObject([{ obj_id: BLUE, locked_frames: [[8, 8]] }]);
    expect((await propagate()).get(8)).toEqual(stored.get(8));
  });

  test("name objects and concepts", async () => {
    await ask("add_prompt", { frame_index: 0, text: "Red  Square" });
    await ask("rename", { obj_id: RED, name: " left one " });
    await ask("rename", { concept: "red square", name: "target" });
    const { objects, concept_names } = await ask("get_session");
    expect((objects as Fields[])[0]).toMatchObject({ obj_id: RED, name: "left one", concept: null });
    expect(concept_names).toEqual([{ concept: "red square", name: "target" }]);
    await ask("rename", { obj_id: RED });
    await ask("remove_concept", { concept: "red square" });
    const after = await ask("get_session");
    expect(after.concept_names).toEqual([]);
    expect(after.concepts).toEqual([]);
    expect((after.objects as Fields[]).map(({ name }) => name)).not.toContain("left one");
  });

  test("list a negative phrase apart, and remove it", async () => {
    await ask("add_prompt", { frame_index: 0, text: "circle", text_label: 0 });
    expect(await ask("get_session")).toMatchObject({ concepts: [], negative_concepts: ["circle"] });
    await ask("remove_concept", { concept: "Circle" });
    expect(await ask("get_session")).toMatchObject({ negative_concepts: [] });
  });

  test("are refused during a propagation, except names and concepts", async () => {
    await ask("add_prompt", { frame_index: 0, text: "circle" });
    const stream = client.send({ type: "propagate_in_video", session_id, window: 1 });
    await client.first((message) => message.type === "frame" && message.request_id === stream);
    const range = { obj_id: RED, first_frame_index: 0, last_frame_index: 0 };
    const edits: [string, Fields][] = [
      ["lock_frames", range],
      ["mark_absent", range],
      ["merge_objects", { obj_id: RED, other_obj_ids: [BLUE] }],
      ["split_object", { obj_id: RED, frame_index: 1 }],
      ["swap_objects", { obj_id: RED, other_obj_id: BLUE, frame_index: 1 }],
    ];
    for (const [type, fields] of edits)
      expect(await client.ask({ type, session_id, ...fields })).toMatchObject({
        error: { code: "propagation_in_progress" },
      });
    await ask("rename", { obj_id: RED, name: "red" });
    await ask("remove_concept", { concept: "circle" });
    await ask("cancel_propagation");
    await client.streamOf(stream);
    await ask("lock_frames", range);
  });

  test("new objects join a running propagation", async () => {
    await ask("remove_object", { obj_id: BLUE });
    const stream = client.send({ type: "propagate_in_video", session_id, window: 1 });
    const frameOf = (index: number) =>
      client.first(
        (message): message is FrameMessage =>
          message.type === "frame" && message.request_id === stream && message.frame_index === index,
      );
    expect((await frameOf(0)).outputs.out_obj_ids).toEqual([RED]);
    await ask("add_prompt", box(BLUE, 1));
    for (let received = 1; received <= FRAMES; received++) {
      client.send({ type: "ack", request_id: stream, num_frames: received });
      if (received < FRAMES) await frameOf(received);
    }
    const { frames } = await client.streamOf(stream);
    const later = frames.filter(({ frame_index }) => frame_index >= 3);
    expect(later).toHaveLength(FRAMES - 3);
    for (const frame of later) {
      const { frame_index } = frame;
      expect(isOn(centres(frame)[BLUE], BLUE, frame_index)).toBe(true);
      expect(isOn(centres(frame)[RED], RED, frame_index)).toBe(true);
    }
  });
});

describe("bad input", () => {
  const range = { obj_id: RED, first_frame_index: 2, last_frame_index: 3 };
  const cases: [title: string, type: string, fields: Fields, code: string, field: string, message: string][] =
    [
      [
        "a reversed range",
        "lock_frames",
        { ...range, last_frame_index: 1 },
        "invalid_field",
        "last_frame_index",
        "last_frame_index: expected first_frame_index (2) or later, got 1",
      ],
      [
        "a reversed range",
        "mark_absent",
        { ...range, last_frame_index: 1 },
        "invalid_field",
        "last_frame_index",
        "last_frame_index: expected first_frame_index (2) or later, got 1",
      ],
      [
        "a range beyond the video",
        "lock_frames",
        { ...range, last_frame_index: 12 },
        "frame_out_of_range",
        "last_frame_index",
        "last_frame_index: expected 0..11, got 12",
      ],
      [
        "a range beyond the video",
        "mark_absent",
        { ...range, last_frame_index: 12 },
        "frame_out_of_range",
        "last_frame_index",
        "last_frame_index: expected 0..11, got 12",
      ],
      [
        "an unknown object",
        "lock_frames",
        { ...range, obj_id: 9 },
        "object_not_found",
        "obj_id",
        "obj_id: expected one of 1, 2, got 9",
      ],
      [
        "an unknown object",
        "mark_absent",
        { ...range, obj_id: 9 },
        "object_not_found",
        "obj_id",
        "obj_id: expected one of 1, 2, got 9",
      ],
      [
        "a frame without a mask",
        "lock_frames",
        range,
        "mask_not_found",
        "first_frame_index",
        "first_frame_index: expected a stored mask of object 1 on each frame, got none on frame 2",
      ],
      [
        "a frame without a result",
        "lock_frames",
        { first_frame_index: 0, last_frame_index: 3 },
        "mask_not_found",
        "first_frame_index",
        "first_frame_index: expected a stored result of each frame, got none of frame 1",
      ],
      [
        "an unknown object",
        "merge_objects",
        { obj_id: RED, other_obj_ids: [BLUE, 9] },
        "object_not_found",
        "other_obj_ids[1]",
        "other_obj_ids[1]: expected one of 1, 2, got 9",
      ],
      [
        "the same object",
        "merge_objects",
        { obj_id: RED, other_obj_ids: [RED] },
        "invalid_field",
        "other_obj_ids[0]",
        "other_obj_ids[0]: expected different objects, got 1 twice",
      ],
      [
        "the same object twice",
        "merge_objects",
        { obj_id: RED, other_obj_ids: [BLUE, BLUE] },
        "invalid_field",
        "other_obj_ids[1]",
        "other_obj_ids[1]: expected different objects, got 2 twice",
      ],
      [
        "no other object",
        "merge_objects",
        { obj_id: RED, other_obj_ids: [] },
        "invalid_field",
        "other_obj_ids",
        "other_obj_ids",
      ],
      [
        "an unknown object",
        "split_object",
        { obj_id: 9, frame_index: 3 },
        "object_not_found",
        "obj_id",
        "obj_id: expected one of 1, 2, got 9",
      ],
      [
        "the first frame",
        "split_object",
        { obj_id: RED, frame_index: 0 },
        "invalid_field",
        "frame_index",
        "frame_index",
      ],
      [
        "a frame beyond the video",
        "split_object",
        { obj_id: RED, frame_index: 12 },
        "frame_out_of_range",
        "frame_index",
        "frame_index: expected 0..11, got 12",
      ],
      [
        "a side without a mask",
        "split_object",
        { obj_id: RED, frame_index: 3 },
        "mask_not_found",
        "frame_index",
        "frame_index: expected a frame between stored masks of object 1, which has none from frame 3 on",
      ],
      [
        "the same object",
        "swap_objects",
        { obj_id: RED, other_obj_id: RED, frame_index: 0 },
        "invalid_field",
        "other_obj_id",
        "other_obj_id: expected another object than 1, got the same",
      ],
      [
        "an unknown object",
        "swap_objects",
        { obj_id: RED, other_obj_id: 9, frame_index: 0 },
        "object_not_found",
        "other_obj_id",
        "other_obj_id: expected one of 1, 2, got 9",
      ],
      [
        "a frame beyond the video",
        "swap_objects",
        { obj_id: RED, other_obj_id: BLUE, frame_index: 12 },
        "frame_out_of_range",
        "frame_index",
        "frame_index: expected 0..11, got 12",
      ],
      [
        "frames without a mask",
        "swap_objects",
        { obj_id: RED, other_obj_id: BLUE, frame_index: 3 },
        "mask_not_found",
        "frame_index",
        "frame_index: expected a frame before stored masks of object 1 or 2; both have none from frame 3 on",
      ],
      [
        "neither object nor concept",
        "rename",
        { name: "x" },
        "missing_field",
        "obj_id",
        "obj_id: missing: expected an obj_id or a concept",
      ],
      [
        "object and concept",
        "rename",
        { obj_id: RED, concept: "cat", name: "x" },
        "invalid_field",
        "concept",
        "concept: expected either obj_id or concept, got both",
      ],
      [
        "an unknown object",
        "rename",
        { obj_id: 9, name: "x" },
        "object_not_found",
        "obj_id",
        "obj_id: expected one of 1, 2, got 9",
      ],
      [
        "an unknown concept",
        "rename",
        { concept: "cat", name: "x" },
        "concept_not_found",
        "concept",
        'concept: expected one of no concept, got "cat"',
      ],
      [
        "a control character",
        "rename",
        { obj_id: RED, name: "a\nb" },
        "invalid_field",
        "name",
        "name: expected no control character",
      ],
      [
        "an unknown concept",
        "remove_concept",
        { concept: "cat" },
        "concept_not_found",
        "concept",
        'concept: expected one of no concept, got "cat"',
      ],
      [
        "a negative label without a phrase",
        "add_prompt",
        { frame_index: 0, text_label: 0, points: [[0.5, 0.5]], point_labels: [1] },
        "missing_field",
        "text",
        "text: missing: expected a phrase with text_label 0",
      ],
      [
        "a negative phrase with boxes",
        "add_prompt",
        {
          frame_index: 0,
          text: "cat",
          text_label: 0,
          bounding_boxes: [[0, 0, 1, 1]],
          bounding_box_labels: [1],
        },
        "invalid_field",
        "bounding_boxes",
        "bounding_boxes: expected no boxes with text_label 0",
      ],
      [
        "a negative phrase that replaces",
        "add_prompt",
        { frame_index: 0, text: "cat", text_label: 0, replace: true },
        "invalid_field",
        "replace",
        "replace: expected false with text_label 0",
      ],
    ];

  test.each(cases)("%s: %s", async (_, type, fields, code, field, message) => {
    const state = async () => ({ ...(await ask("get_session")), request_id: "", seq: 0 });
    const before = await state();
    const error = await refusal(type, fields);
    expect(error).toMatchObject({ code, field });
    expect(error.message).toContain(message);
    expect(await state()).toEqual(before);
  });
});
