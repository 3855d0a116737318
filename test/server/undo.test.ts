/** Undo, redo and the scopes of a propagation, over a socket. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { RawClient } from "../helpers/client.js";
import { makeClip } from "../helpers/media.js";
import { createScriptedEngine, type ScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../helpers/server.js";

const FRAMES = 8;
let engine: ScriptedEngine;
let server: TestServer;
let client: RawClient;
let session_id: string;

beforeAll(async () => {
  engine = createScriptedEngine();
  server = await startTestServer({ maxSessionsPerOwner: 30 }, { engine });
  client = await server.connect();
});
afterAll(() => server.close());

let sessions = 0;
beforeEach(async () => {
  session_id = `s${sessions++}`;
  const resource_path = await makeClip({ name: "undo.mp4", frames: FRAMES });
  await client.expectResponse({ type: "start_session", resource_path, session_id });
});

const click = (frame_index: number, obj_id: number) =>
  client.expectResponse({
    ...{ type: "add_prompt", session_id, frame_index, obj_id },
    ...{ points: [[0.5, 0.5]], point_labels: [1] },
  });
const ask = (type: string) => client.expectResponse({ type, session_id });
const affected = (obj_id: number | null, first_frame_index: number, last_frame_index: number) => [
  { obj_id, first_frame_index, last_frame_index },
];

async function propagate(fields: object) {
  const { frames, end } = await client.stream({ type: "propagate_in_video", session_id, ...fields });
  expect(end).toMatchObject({ type: "done", num_frames: frames.length, cancelled: false });
  return frames.map(({ frame_index, outputs }) => [frame_index, ...outputs.out_obj_ids]);
}
const stored = () => propagate({ scope: "stored", propagation_direction: "forward", start_frame_index: 0 });
const every = (...ids: number[]) => Array.from({ length: FRAMES }, (_, index) => [index, ...ids]);

test("edits return the frames that they can change", async () => {
  expect((await click(2, 1)).affected).toEqual(affected(1, 0, 7));
  expect((await click(6, 1)).affected).toEqual(affected(1, 3, 7));
  expect((await click(4, 1)).affected).toEqual(affected(1, 3, 5));
  expect((await click(4, 2)).affected).toEqual(affected(2, 0, 7));
  const text = await client.expectResponse({ type: "add_prompt", session_id, frame_index: 3, text: "dog" });
  expect(text.affected).toEqual(affected(null, 0, 7));
  const removal = await client.expectResponse({ type: "remove_object", session_id, obj_id: 1 });
  expect(removal).toMatchObject({ is_success: true, affected: affected(1, 0, 7) });
});

test("undoes and redoes prompts and removals, with their results", async () => {
  await click(0, 1);
  await propagate({});
  await click(4, 2);
  await propagate({});
  expect(await stored()).toEqual(every(1, 2));
  expect(await ask("get_session")).toMatchObject({ num_stored_frames: 8, can_undo: true, can_redo: false });

  expect(await ask("undo")).toMatchObject({
    edit: "add_prompt",
    affected: affected(2, 0, 7),
    can_undo: true,
    can_redo: true,
  });
  expect((await ask("get_session")).obj_ids).toEqual([1]);
  expect(await stored()).toEqual(every(1));

  expect(await ask("redo")).toMatchObject({ edit: "add_prompt", can_redo: false });
  expect((await ask("get_session")).obj_ids).toEqual([1, 2]);
  expect(await stored()).toEqual(every(1, 2));

  await client.expectResponse({ type: "remove_object", session_id, obj_id: 1 });
  expect(await stored()).toEqual(every(2));
  expect(await ask("undo")).toMatchObject({ edit: "remove_object" });
  expect(await stored()).toEqual(every(1, 2));
  for (let step = 0; step < 2; step++) await ask("undo");
  expect(await stored()).toEqual([]);
  expect(await ask("get_session")).toMatchObject({ obj_ids: [], can_undo: false, can_redo: true });
  expect((await client.expectError({ type: "propagate_in_video", session_id })).code).toBe(
    "nothing_prompted",
  );
});

test("undoes edits of objects: names, locks and identities", async () => {
  await click(0, 1);
  await propagate({});
  const objects = async () => (await ask("get_session")).objects as Record<string, unknown>[];
  await client.expectResponse({ type: "rename", session_id, obj_id: 1, name: "left" });
  const range = { first_frame_index: 2, last_frame_index: 3 };
  await client.expectResponse({ type: "lock_frames", session_id, obj_id: 1, ...range });
  await client.expectResponse({ type: "split_object", session_id, obj_id: 1, frame_index: 5, new_obj_id: 4 });
  const divided = [0, 1, 2, 3, 4].map((index) => [index, 1]).concat([5, 6, 7].map((index) => [index, 4]));
  expect(await stored()).toEqual(divided);

  expect(await ask("undo")).toMatchObject({
    edit: "split_object",
    affected: [...affected(1, 5, 7), ...affected(4, 5, 7)],
  });
  expect(await stored()).toEqual(every(1));
  expect(await ask("undo")).toMatchObject({ edit: "lock_frames" });
  expect(await objects()).toMatchObject([{ obj_id: 1, name: "left", locked_frames: [] }]);
  const before = engine.calls.length;
  expect(await ask("undo")).toMatchObject({ edit: "rename" });
  expect(engine.calls.slice(before)).toEqual([]);
  expect(await objects()).toMatchObject([{ obj_id: 1, name: null }]);
  for (const edit of ["rename", "lock_frames", "split_object"])
    expect(await ask("redo")).toMatchObject({ edit });
  expect(await stored()).toEqual(divided);
  expect(await objects()).toMatchObject([{ obj_id: 1, name: "left" }, { obj_id: 4 }]);
});

test("reports that there is nothing to undo or to redo, and after a reset neither", async () => {
  const failure = async (type: string) => client.expectError({ type, session_id });
  expect(await failure("undo")).toMatchObject({
    code: "nothing_to_undo",
    message: "undo: this session has no edit to undo.",
  });
  await click(0, 1);
  expect(await failure("redo")).toMatchObject({ code: "nothing_to_undo" });
  await ask("undo");
  await click(0, 3);
  expect(await failure("redo")).toMatchObject({ code: "nothing_to_undo" });
  await ask("reset_session");
  expect(await failure("undo")).toMatchObject({ code: "nothing_to_undo" });
  expect(await client.expectError({ type: "undo" })).toMatchObject({
    code: "missing_field",
    field: "session_id",
  });
  expect(await client.expectError({ type: "undo", session_id, steps: 2 })).toMatchObject({
    code: "unknown_field",
    field: "steps",
  });
});

test("a rejected edit is no step", async () => {
  await click(0, 1);
  const removal = { type: "remove_object", session_id, obj_id: 9 };
  expect((await client.expectError(removal)).code).toBe("object_not_found");
  expect(await ask("undo")).toMatchObject({ edit: "add_prompt", can_undo: false });
});

test("keeps the last hundred edits", async () => {
  for (let edit = 0; edit < 102; edit++) await click(0, edit % 3);
  for (let edit = 0; edit < 100; edit++) await ask("undo");
  expect((await client.expectError({ type: "undo", session_id })).code).toBe("nothing_to_undo");
  expect((await ask("get_session")).obj_ids).toEqual([0, 1]);
});

test("ends a running propagation", async () => {
  await click(0, 1);
  const release = engine.hold("next");
  const stream = client.send({ type: "propagate_in_video", session_id });
  await engine.called("next 0");
  const undone = ask("undo");
  await client.arrived();
  release();
  await undone;
  expect((await client.streamOf(stream)).end).toMatchObject({ type: "done", cancelled: true });
});

test("computes what an edit made stale, from the edit to both ends, and nothing else", async () => {
  await click(0, 1);
  await propagate({});
  await click(7, 2);
  await propagate({});
  expect(await propagate({ scope: "affected" })).toEqual([]);
  const staleFrames = async () => (await ask("get_session")).stale_frames;
  expect(await staleFrames()).toEqual([]);
  await click(4, 1);
  // The frame itself was computed with the click.
  const stale = [...affected(1, 1, 3), ...affected(1, 5, 7)];
  expect(await staleFrames()).toEqual(stale);
  await ask("undo");
  expect(await staleFrames()).toEqual([]);
  await ask("redo");
  expect(await staleFrames()).toEqual(stale);
  const before = engine.calls.length;
  expect(await propagate({ scope: "affected" })).toEqual([3, 2, 1, 5, 6, 7].map((index) => [index, 1, 2]));
  const passes = engine.calls.slice(before).filter((call) => call.startsWith("begin"));
  expect(passes).toEqual(["begin backward", "begin forward"]);
  expect(await propagate({ scope: "affected" })).toEqual([]);
  expect(await staleFrames()).toEqual([]);
});

test("computes the whole video after a phrase", async () => {
  await client.expectResponse({ type: "add_prompt", session_id, frame_index: 3, text: "dog" });
  const frames = (await propagate({ scope: "affected" })).map(([index]) => index);
  expect(frames).toEqual([3, 4, 5, 6, 7, 2, 1, 0]);
});

test("stored results need no prompt, respect the range and the threshold, and skip other frames", async () => {
  expect(await stored()).toEqual([]);
  await click(2, 1);
  await click(2, 99);
  await propagate({ propagation_direction: "forward", max_frame_num_to_track: 2 });
  expect(await stored()).toEqual([2, 3, 4].map((index) => [index, 1]));
  const back = {
    scope: "stored",
    propagation_direction: "backward",
    start_frame_index: 4,
    output_prob_thresh: 0,
  };
  expect(await propagate(back)).toEqual([3, 2].map((index) => [index, 1, 99]));
  const beyond = { type: "propagate_in_video", session_id, scope: "stored", start_frame_index: 8 };
  expect(await client.expectError(beyond)).toMatchObject({
    code: "frame_out_of_range",
    field: "start_frame_index",
    message: "start_frame_index: expected 0..7, got 8",
  });
  const scope = { type: "propagate_in_video", session_id, scope: "some" };
  expect(await client.expectError(scope)).toMatchObject({ code: "invalid_field", field: "scope" });
});

test("stored results can be read while a propagation computes", async () => {
  await click(0, 1);
  const release = engine.hold("next");
  const running = client.send({ type: "propagate_in_video", session_id });
  await engine.called("next 0");
  expect(await stored()).toEqual([[0, 1]]);
  release();
  expect((await client.streamOf(running)).end).toMatchObject({ type: "done", num_frames: 8 });
});

test("a propagation of some objects keeps the results of the others", async () => {
  await click(0, 1);
  await click(0, 2);
  const forward = { propagation_direction: "forward", start_frame_index: 0 };
  expect(await propagate({ ...forward, obj_ids: [2] })).toEqual([[0, 1, 2], ...every(2).slice(1)]);
  expect(await propagate({ scope: "affected" })).toEqual(every(1, 2).slice(1));
  const masks = async (fields: object) => {
    const { frames } = await client.stream({ type: "propagate_in_video", session_id, ...forward, ...fields });
    return frames.map(({ outputs }) => [outputs.out_probs[0], outputs.out_binary_masks?.[0]]);
  };
  const before = await masks({ scope: "stored" });
  expect(await propagate({ ...forward, scope: "stored", obj_ids: [2] })).toEqual(every(2));
  expect(await masks({ obj_ids: [2, 2] })).toEqual(before);
  expect(await masks({ scope: "stored" })).toEqual(before);
});

test.each([
  [{ obj_ids: [1, 9] }, "object_not_found", /expected objects of the session \(1\), got 9/],
  [{ obj_ids: [] }, "invalid_field", /obj_ids/],
  [{ obj_ids: ["1"] }, "invalid_field", /obj_ids/],
  [{ obj_ids: [1], scope: "affected" }, "invalid_field", /requires the scope .*, got "affected"/],
])("refuses a propagation with %j", async (fields, code, message) => {
  await click(0, 1);
  const { end } = await client.stream({ type: "propagate_in_video", session_id, ...fields });
  expect(end).toMatchObject({ type: "error", error: { code, message: expect.stringMatching(message) } });
});
