/** Earlier work is opened again: with the same server, after a stop, after a kill, and when something is missing. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import {
  connect,
  type MaskletClient,
  MaskletError,
  type MaskletSession,
} from "../../clients/typescript/index.js";
import { reopen, WorkGone } from "../../clients/web/keep/reopen.js";
import { makeClip } from "../helpers/media.js";
import { startTestServer, type TestServer } from "../helpers/server.js";

let saveDir: string;
let clip: string;

beforeAll(async () => {
  saveDir = await mkdtemp(join(tmpdir(), "masklet-test-kept-"));
  clip = await makeClip({ name: "kept.mp4", frames: 6 });
});
afterAll(() => rm(saveDir, { recursive: true, force: true }));

async function start(options = {}): Promise<TestServer> {
  const server = await startTestServer({ saveDir, ...options });
  onTestFinished(() => server.close());
  return server;
}

async function clientOf(server: TestServer): Promise<MaskletClient> {
  const client = await connect(server.url, { reconnect: false });
  onTestFinished(() => client.detach());
  return client;
}

async function work(client: MaskletClient) {
  const session = await client.startSession({ resource_path: clip });
  await session.addPrompt({ frame_index: 0, bounding_boxes: [[0.2, 0.2, 0.4, 0.4]], obj_id: 0 });
  await session.rename({ obj_id: 0, name: "cell" });
  return { session, record: { token: session.token, name: "kept.mp4", media: { resource_path: clip } } };
}

const partsOf = (client: MaskletClient) => ({
  attach: client.attachSession,
  load: client.loadSession,
  newestOf: async (ids: readonly string[]) => ids[0],
});
const namesOf = async (session: MaskletSession) => (await session.get()).objects.map(({ name }) => name);

describe("reopen", () => {
  it("attaches to a session that the server still has", async () => {
    const server = await start();
    const first = await clientOf(server);
    const { record } = await work(first);
    await first.detach();
    const { session, how } = await reopen(record, partsOf(await clientOf(server)));
    expect([how, await namesOf(session)]).toEqual(["attached", ["cell"]]);
  });

  it("watches without the right to change", async () => {
    const server = await start();
    const { record } = await work(await clientOf(server));
    const { session } = await reopen(record, partsOf(await clientOf(server)), true);
    await expect(session.undo()).rejects.toMatchObject({ code: "read_only" });
  });

  it("loads the file that a server saved when it was stopped", async () => {
    const stopped = await start();
    const { record } = await work(await clientOf(stopped));
    await stopped.drain({ drainMs: 0 });
    const { session, how } = await reopen(record, partsOf(await clientOf(await start())));
    expect([how, await namesOf(session)]).toEqual(["loaded", ["cell"]]);
  });

  it("loads the later one of the files of the server and of the page", async () => {
    const parts = {
      attach: () =>
        Promise.reject(
          new MaskletError({ code: "session_saved", message: "", retryable: false, saved_id: "of-server" }),
        ),
      load: async ({ saved_id }: { saved_id: string }) => saved_id,
    };
    const record = { token: "t", name: "kept.mp4", media: { resource_path: clip } };
    const from = async (savedId: string | undefined, newest: string | undefined) => {
      const work = { ...record, ...(savedId !== undefined && { savedId }) };
      return (await reopen(work, { ...parts, newestOf: async () => newest })).session;
    };
    expect(await from("of-page", "of-page")).toBe("of-page");
    expect(await from("of-page", "of-server")).toBe("of-server");
    expect(await from("deleted", undefined)).toBe("of-server");
    expect(await from(undefined, undefined)).toBe("of-server");
  });

  it("loads the last saved file of a server that ended without saving", async () => {
    const killed = await start();
    const { session: before, record } = await work(await clientOf(killed));
    const { saved_id: savedId } = await before.save();
    await killed.close();
    const { session, how } = await reopen({ ...record, savedId }, partsOf(await clientOf(await start())));
    expect([how, await namesOf(session)]).toEqual(["loaded", ["cell"]]);
  });

  it("explains what is kept when session, file or video are gone", async () => {
    const server = await start();
    const { session, record } = await work(await clientOf(server));
    const { saved_id: savedId } = await session.save();
    await session.close();
    const parts = partsOf(await clientOf(server));
    await expect(reopen(record, parts)).rejects.toThrow("The video is kept: open it again.");
    const other = { ...record, savedId, media: { upload_id: "7d1f5f0e-7d0a-4f6e-9f43-3f4b2c9a1d11" } };
    await expect(reopen(other, parts)).rejects.toThrow("the server no longer has the video");
    await expect(reopen({ ...record, savedId: "none" }, parts)).rejects.toBeInstanceOf(WorkGone);
  });
});
