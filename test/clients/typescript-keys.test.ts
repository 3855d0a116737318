/** The client and the commands with a server that requires a key. */
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { connect } from "../../clients/typescript/index.js";
import { createKey } from "../../server/keys/key.js";
import { callCommand } from "../helpers/command.js";
import { startProxy } from "../helpers/cuttable-proxy.js";
import { makeKeys } from "../helpers/keys.js";
import { makeClip } from "../helpers/media.js";
import { createScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../helpers/server.js";

const { keysFile, keys } = makeKeys("ann");
const key = keys.ann;
let server: TestServer;
let clip: string;

beforeAll(async () => {
  clip = await makeClip({ name: "client-keys.mp4", frames: 3 });
  server = await startTestServer({ keysFile }, { engine: createScriptedEngine() });
});

afterAll(() => server.close());

describe("the client with a key", () => {
  it("uploads, resumes uploads and deletes them, and starts sessions", async () => {
    const client = await connect(server.url, { key });
    const plain = await client.upload(new Uint8Array(await readFile(clip)));
    const resumable = await client.uploadResumable(clip, { filename: "clip.mp4" });
    expect(resumable).toMatchObject({ num_frames: 3, filename: "clip.mp4" });
    const session = await client.startSession({ upload_id: plain.upload_id });
    await session.addPrompt({ frame_index: 0, text: "ball" });
    const frames: number[] = [];
    for await (const { frame_index } of session.propagate()) frames.push(frame_index);
    expect(frames).toEqual([0, 1, 2]);
    await client.deleteUpload(resumable.upload_id);
    await client.close();
  });

  it("sends the key again after a lost connection", async () => {
    await using proxy = await startProxy(server.port);
    const client = await connect(`ws://127.0.0.1:${proxy.port}`, { key, reconnect: { firstDelayMs: 1 } });
    const session = await client.startSession({ resource_path: clip });
    proxy.cut();
    expect((await session.get()).num_frames).toBe(3);
    await client.close();
  });

  it.each([
    ["an invalid one", createKey()],
    ["text that is no key", "secret"],
  ])("fails to connect with %s", async (_, wrong) => {
    await expect(connect(server.url, { key: wrong })).rejects.toMatchObject({
      code: "unauthenticated",
      retryable: false,
    });
  });

  it("works with a server that requires none", async () => {
    const open = await startTestServer({}, { engine: createScriptedEngine() });
    onTestFinished(() => open.close());
    const client = await connect(open.url, { key });
    await client.startSession({ resource_path: clip });
    await client.close();
  });
});

describe("the client without a key", () => {
  it("gets unauthenticated for its first request and for uploads", async () => {
    const client = await connect(server.url);
    await expect(client.upload(new Uint8Array([1]))).rejects.toMatchObject({ code: "unauthenticated" });
    await expect(client.uploadResumable(clip)).rejects.toMatchObject({ code: "unauthenticated" });
    await expect(client.startSession({ resource_path: clip })).rejects.toMatchObject({
      code: "unauthenticated",
      retryable: false,
    });
    expect(await client.closed).toMatchObject({ code: 4401, reason: "unauthenticated" });
    await expect(client.request({ type: "get_server" })).rejects.toMatchObject({ code: "unauthenticated" });
  });
});

describe("the commands", () => {
  it.each([
    ["--key", ["--key", key], ""],
    ["MASKLET_KEY", [], key],
  ])("send the key of %s", async (_, option, variable) => {
    const before = process.env.MASKLET_KEY;
    process.env.MASKLET_KEY = variable;
    onTestFinished(() => {
      if (before === undefined) delete process.env.MASKLET_KEY;
      else process.env.MASKLET_KEY = before;
    });
    const uploaded = await callCommand(["upload", clip, "--server", server.url, ...option]);
    expect({ ...uploaded, stderr: "" }).toEqual({
      status: 0,
      stdout: expect.stringMatching(/^[0-9a-f-]{36}\n$/),
      stderr: "",
    });
    const tracked = await callCommand(["track", clip, "--text", "ball", "--server", server.url, ...option]);
    expect(tracked.status).toBe(0);
    expect(tracked.stdout.trim().split("\n")).toHaveLength(3);
  });

  it("report a missing key in one sentence that does not repeat an invalid one", async () => {
    const wrong = createKey();
    const { status, stderr } = await callCommand(["upload", clip, "--server", server.url, "--key", wrong]);
    expect(status).toBe(1);
    expect(stderr).toBe("--server: The key is not one of this server.\n");
    const track = await callCommand(["track", clip, "--text", "ball", "--key", wrong]);
    expect(track).toMatchObject({ status: 2, stderr: "--key: expected only with --server.\n" });
  });
});
