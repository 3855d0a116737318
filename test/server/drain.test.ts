/** A server that stops in order: nothing new starts, what runs may end, and open sessions are saved. */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { connect as connectClient } from "../../clients/typescript/index.js";
import type { ServerOptions } from "../../server/config.js";
import type { PredictorParts } from "../../server/predictor.js";
import type { RawClient } from "../helpers/client.js";
import { makeClip } from "../helpers/media.js";
import { createScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../helpers/server.js";
import { until } from "../helpers/settle.js";

const FRAMES = 8;
const CLICK = { points: [[0.5, 0.5]], point_labels: [1] };
const makeVideo = () => makeClip({ name: "drain.mp4", frames: FRAMES });

async function start(options: ServerOptions = {}, parts: PredictorParts = {}): Promise<TestServer> {
  const server = await startTestServer(options, parts);
  onTestFinished(() => server.close());
  return server;
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "masklet-drain-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function openClicked(client: RawClient) {
  const resource_path = await makeVideo();
  const { session_id, session_token } = await client.expectResponse({ type: "start_session", resource_path });
  await client.expectResponse({ type: "add_prompt", session_id, frame_index: 0, ...CLICK });
  return { session_id, session_token };
}

const isEvent = (event: string) => (message: { type: string; event?: string }) =>
  message.type === "event" && message.event === event;

/** A server that drains while the first frame of a stream is held back. */
async function drainDuringStream(drainMs: number) {
  const engine = createScriptedEngine();
  const server = await start({ drainMs }, { engine });
  const client = await server.connect();
  const { session_id } = await openClicked(client);
  const release = engine.hold("next");
  const stream = client.send({ type: "propagate_in_video", session_id });
  await engine.called("next 0");
  const drained = server.drain();
  const event = await client.first(isEvent("server_draining"));
  return { server, client, stream, release, drained, event };
}

test("lets a stream end, refuses what is new with retry_after_ms, and then closes with 1001", async () => {
  const { server, client, stream, release, drained, event } = await drainDuringStream(60_000);
  expect(event).toMatchObject({ ends_in_ms: 60_000, retry_after_ms: expect.any(Number) });
  const ready = await fetch(`${server.http}/readyz`);
  expect(ready.status).toBe(503);
  expect(await ready.json()).toMatchObject({
    status: "unavailable",
    state: "draining",
    reason: expect.stringMatching(/is stopping; another one may answer in about \d+ s/),
  });
  expect((await fetch(`${server.http}/livez`)).status).toBe(200);
  const refused = { code: "shutting_down", retryable: true, retry_after_ms: expect.any(Number) };
  expect(await client.expectError({ type: "start_session", resource_path: await makeVideo() })).toMatchObject(
    refused,
  );
  const upload = await fetch(`${server.http}/v1/uploads`, { method: "POST", body: "x" });
  expect(upload.status).toBe(503);
  expect(Number(upload.headers.get("retry-after"))).toBeGreaterThan(0);
  expect(await upload.json()).toMatchObject({ error: refused });
  await expect(server.connect()).rejects.toThrow(/503/);

  release();
  const { end, frames } = await client.streamOf(stream);
  expect(end).toMatchObject({ type: "done", num_frames: FRAMES });
  expect(frames).toHaveLength(FRAMES);
  await drained;
  expect(await client.closed).toBe(1001);
});

test("ends what runs longer than drainMs, and does not wait after close()", async () => {
  const { client, stream, release, drained } = await drainDuringStream(100);
  setTimeout(release, 300);
  expect((await client.streamOf(stream)).end).toMatchObject({
    type: "error",
    error: { code: "shutting_down" },
  });
  await drained;

  const other = createScriptedEngine();
  const busy = await start({ drainMs: 2 ** 31 - 1 }, { engine: other });
  const waiting = await busy.connect();
  const opened = await openClicked(waiting);
  const go = other.hold("next");
  waiting.send({ type: "propagate_in_video", session_id: opened.session_id });
  await other.called("next 0");
  const endless = busy.drain();
  const closed = busy.close();
  go();
  await Promise.all([endless, closed]);
});

test("saves open sessions, which the next server continues; the token leads to the file", async () => {
  const saveDir = await temporaryFolder();
  const first = await start({ saveDir, drainMs: 0 });
  const client = await first.connect();
  const { session_id, session_token } = await openClicked(client);
  const range = { start_frame_index: 0, max_frame_num_to_track: 2 };
  await client.stream({ type: "propagate_in_video", session_id, ...range });
  const others = await openClicked(await first.connect());
  await first.drain();
  const event = client.received.find(isEvent("session_saved")) as { saved_id: string } | undefined;
  expect(event).toMatchObject({ session_id, saved_id: expect.any(String), bytes: expect.any(Number) });
  expect(await client.closed).toBe(1001);

  const second = await start({ saveDir });
  const again = await second.connect();
  // A client that was away has only its token.
  const error = await again.expectError({ type: "attach_session", session_token });
  expect(error).toMatchObject({ code: "session_saved", retryable: false, saved_id: event?.saved_id });
  const video = { resource_path: await makeVideo() };
  const loaded = await again.expectResponse({ type: "load_session", saved_id: error.saved_id, ...video });
  expect(loaded).toMatchObject({ restored: "exactly", obj_ids: [0], stored_frames: 3 });
  expect(
    await again.expectError({ type: "attach_session", session_token: others.session_token }),
  ).toMatchObject({ code: "session_saved" });
  expect(
    await again.expectError({ type: "attach_session", session_token: "no-session-has-this-token" }),
  ).toMatchObject({
    code: "session_not_found",
  });
}, 120_000);

test("the token leads to the last file of a session that continued and was saved again", async () => {
  const saveDir = await temporaryFolder();
  const first = await start({ saveDir, drainMs: 0 });
  const { session_token } = await openClicked(await first.connect());
  await first.drain();
  const second = await start({ saveDir });
  const client = await second.connect();
  const { saved_id } = await client.expectError({ type: "attach_session", session_token });
  const video = { resource_path: await makeVideo() };
  const { session_id } = await client.expectResponse({
    ...{ type: "load_session", saved_id, session_token },
    ...video,
  });
  const later = await client.expectResponse({ type: "save_session", session_id });
  expect(later.saved_id).not.toBe(saved_id);
  // A server that was killed saves nothing: another one over the same folder.
  const third = await start({ saveDir });
  const error = await (await third.connect()).expectError({ type: "attach_session", session_token });
  expect(error).toMatchObject({ code: "session_saved", saved_id: later.saved_id });
}, 120_000);

test("keeps no file of sessions without a saveDir, and none of live ones", async () => {
  const saveDir = await temporaryFolder();
  const server = await start({ saveDir, drainMs: 0 }, { engine: createScriptedEngine() });
  const client = await server.connect();
  await client.expectResponse({ type: "start_session", live: true, width: 64, height: 48 });
  await server.drain();
  expect(client.received.some(isEvent("session_saved"))).toBe(false);
  expect(await readdir(saveDir)).toEqual([]);
});

test("the TypeScript client reports the events, and ends its sessions", async () => {
  const saveDir = await temporaryFolder();
  const server = await start({ saveDir, drainMs: 0 });
  const client = await connectClient(server.url, { reconnect: false });
  const events: string[] = [];
  client.onEvent(({ event }) => events.push(event));
  await client.startSession({ resource_path: await makeVideo() });
  await server.drain();
  expect(await client.closed).toMatchObject({ code: 1001 });
  await until(() => events.length >= 2);
  expect(events.filter((event) => event !== "session_opening")).toEqual(["server_draining", "session_saved"]);
}, 60_000);
