/** States of objects and lists of suspects over a real socket, with the real model. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AnswerOf, Outputs } from "../../protocol/index.js";
import type { RawClient } from "../helpers/client.js";
import { makeClip } from "../helpers/media.js";
import { startTestServer, type TestServer } from "../helpers/server.js";

let server: TestServer;
let client: RawClient;
let session_id: string;

beforeAll(async () => {
  server = await startTestServer();
  client = await server.connect();
  const resource_path = await makeClip({ name: "clip.mp4", frames: 6 });
  const answer = await client.expectResponse({ type: "start_session", resource_path });
  session_id = answer.session_id as string;
}, 180_000);

afterAll(() => server.close());

const list = async (fields = {}) =>
  (await client.expectResponse({
    type: "list_suspects",
    session_id,
    ...fields,
  })) as unknown as AnswerOf<"list_suspects">;

test("a session without results has no suspects", async () => {
  expect(await list()).toMatchObject({ suspects: [], num_suspects: 0 });
});

test("every frame has the states of all objects, and their suspects are listed", async () => {
  const click = { type: "add_prompt", session_id, frame_index: 2, points: [[0.5, 0.5]], point_labels: [1] };
  const answer = await client.expectResponse(click);
  const prompt = { kind: "clicks", frame_index: 2 };
  expect((answer.outputs as Outputs).out_states).toEqual([
    { obj_id: answer.obj_id, state: "present", score: 1, prompt, suspect: null },
  ]);
  const { frames } = await client.stream({ type: "propagate_in_video", session_id });
  const found = frames.flatMap(({ frame_index, outputs }) =>
    outputs.out_states.map(({ obj_id, score, suspect }) => ({ frame_index, obj_id, score, reason: suspect })),
  );
  expect(found.map(({ frame_index }) => frame_index)).toEqual([2, 3, 4, 5, 1, 0]);
  expect(new Set(found.map(({ score }) => score)).size).toBeGreaterThan(1);
  const suspects = found.filter(({ reason }) => reason !== null).sort((a, b) => a.score - b.score);
  expect(await list()).toMatchObject({ suspects, num_suspects: suspects.length });
  expect((await list({ limit: 1 })).suspects).toEqual(suspects.slice(0, 1));
  await client.expectResponse({ type: "remove_object", session_id, obj_id: answer.obj_id });
  expect((await list()).num_suspects).toBe(0);
});

test.each([
  ["a limit of 0", "limit", { limit: 0 }],
  ["a limit that is too large", "limit", { limit: 1001 }],
])("list_suspects with %s is refused", async (_name, field, fields) => {
  const error = await client.expectError({ type: "list_suspects", session_id, ...fields });
  expect(error).toMatchObject({ code: "invalid_field", field });
});
