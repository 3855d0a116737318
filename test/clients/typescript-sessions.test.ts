/** Live and saved sessions by the TypeScript client. */
import sharp from "sharp";
import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../clients/typescript/index.js";
import { makeClip } from "../helpers/media.js";
import { createScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer } from "../helpers/server.js";

const picture = (level: number) =>
  sharp({ create: { width: 48, height: 32, channels: 3, background: { r: level, g: 90, b: 30 } } })
    .jpeg()
    .toBuffer();

test("pushes frames of a live session, each answered with its masks", async () => {
  const server = await startTestServer({}, { engine: createScriptedEngine() });
  onTestFinished(() => server.close());
  const client = await connect(server.url);
  onTestFinished(() => client.close());

  const session = await client.startSession({ live: true });
  const first = await session.pushFrame(await picture(40), { timestamp_us: 5 });
  expect(first).toMatchObject({ type: "frame", frame_index: 0, timestamp_us: 5 });
  const prompt = await session.addPrompt({ frame_index: "latest", points: [[0.5, 0.5]], point_labels: [1] });
  const answers = await Promise.all(
    [picture(60), picture(80)].map(async (one) => session.pushFrame(await one)),
  );
  for (const answer of answers) expect(answer).toMatchObject({ outputs: { out_obj_ids: [prompt.obj_id] } });
  await expect(session.pushFrame(new Uint8Array([1, 2, 3]))).rejects.toMatchObject({
    code: "media_unreadable",
  });
  expect(await session.pushFrame(await picture(90))).toMatchObject({ frame_index: 4 });
});

test("saves a session and continues it", async () => {
  const clip = await makeClip({ name: "saved-by-client.mp4", frames: 4 });
  const server = await startTestServer({}, { engine: createScriptedEngine() });
  onTestFinished(() => server.close());
  const client = await connect(server.url);
  onTestFinished(() => client.close());

  const session = await client.startSession({ resource_path: clip });
  // The scripted engine has no masks of the size of the clip, so no prompt.
  const { saved_id } = await session.save();
  const loaded = await client.loadSession({ saved_id, resource_path: clip });
  expect(loaded.id).not.toBe(session.id);
  expect(loaded.token).toMatch(/\S{22}/);
  expect(loaded.facts).toMatchObject({ kind: "video", num_frames: 4 });
  await loaded.close();
});
