import { writeFile } from "node:fs/promises";
import { expect, onTestFinished, test } from "vitest";
import { makeFrameFolder, mediaPath } from "../../helpers/media.js";
import { createScriptedEngine } from "../../helpers/scripted-engine.js";
import { startTestServer } from "../../helpers/server.js";

test("start_session lists the files of a folder that are not frames", async () => {
  const server = await startTestServer({}, { engine: createScriptedEngine() });
  onTestFinished(() => server.close());
  const resource_path = await makeFrameFolder("frames", 3);
  await writeFile(mediaPath("frames/notes.txt"), "text");
  const client = await server.connect();
  const answer = await client.expectResponse({ type: "start_session", resource_path });
  const facts = { kind: "frames", num_frames: 3, left_out_count: 1 };
  expect(answer).toMatchObject({ ...facts, left_out: [{ name: "notes.txt", reason: "text" }] });
  const { session_id } = answer;
  expect(await client.expectResponse({ type: "get_session", session_id })).toMatchObject(facts);
});
