/** Clients whose connection is lost, or whose process is killed, with the real server. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { delayMs, isFatal, readBackoff } from "../../clients/typescript/backoff.js";
import {
  connect,
  type EventMessage,
  type FrameMessage,
  type MaskletClient,
  type ServerMessage,
} from "../../clients/typescript/index.js";
import { CLOSE_CODES } from "../../protocol/index.js";
import type { ServerOptions } from "../../server/config.js";
import { type CuttableProxy, startProxy } from "../helpers/cuttable-proxy.js";
import { makeClip } from "../helpers/media.js";
import { createScriptedEngine, type ScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../helpers/server.js";
import { until } from "../helpers/settle.js";

const FRAMES = 60;
const click = { frame_index: 0, points: [[0.5, 0.5]] as [number, number][], point_labels: [1] as (0 | 1)[] };
const reconnect = { firstDelayMs: 20, maxDelayMs: 100, maxAttempts: 100 };
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

describe("connecting again", () => {
  it("waits longer after each attempt, never longer than the limit, and not in step with other clients", () => {
    const backoff = { maxAttempts: 9, firstDelayMs: 100, maxDelayMs: 1000 };
    expect(upTo(6).map((attempt) => delayMs(backoff, attempt, 1))).toEqual([100, 200, 400, 800, 1000, 1000]);
    expect(delayMs(backoff, 2, 0)).toBe(200);
    expect(readBackoff(false)).toBeUndefined();
    expect(readBackoff({ maxAttempts: 3 })).toMatchObject({ maxAttempts: 3, firstDelayMs: 500 });
  });

  it("happens after the close codes that PROTOCOL.md does not mark as fatal", () => {
    for (const { code, reconnect: expected } of Object.values(CLOSE_CODES))
      expect(isFatal(code)).toBe(!expected);
  });
});

describe("a client that loses its connection", () => {
  let engine: ScriptedEngine;
  let server: TestServer;
  let proxy: CuttableProxy;
  let client: MaskletClient;
  let clip: string;

  async function start(options: ServerOptions = {}): Promise<void> {
    engine = createScriptedEngine({ maskBytes: 3000 });
    server = await startTestServer(options, { engine });
    proxy = await startProxy(server.port);
    client = await connect(`ws://127.0.0.1:${proxy.port}`, { reconnect });
  }

  beforeEach(async () => {
    clip = await makeClip({ name: "reconnect.mp4", frames: FRAMES });
    await start();
  });

  afterEach(async () => {
    await client.close();
    await proxy[Symbol.asyncDispose]();
    await server.close();
  });

  async function open(one = client) {
    const session = await one.startSession({ resource_path: clip });
    await session.addPrompt(click);
    return session;
  }

  it("receives every frame once, however often the connection is cut", async () => {
    const session = await open();
    const seen: number[] = [];
    for await (const frame of session.propagate()) {
      seen.push(frame.frame_index);
      if (frame.frame_index % 10 === 3) proxy.cutAfter(5000);
    }
    expect(seen).toEqual(upTo(FRAMES));
    expect(await session.get()).toMatchObject({ obj_ids: [0] });
    const sent = engine.calls.filter((call) => call.startsWith("begin"));
    expect(sent).toHaveLength(1);
  });

  it("gets the answer to a request that was under way, and the request is run once", async () => {
    const session = await open();
    const release = engine.hold("prompt");
    const answer = session.addPrompt({ ...click, frame_index: 7 });
    await engine.called("prompt 7");
    proxy.cut();
    release();
    expect(await answer).toMatchObject({ frame_index: 7 });
    expect(engine.calls.filter((call) => call === "prompt 7")).toHaveLength(1);
  });

  it("sends requests that were made while it was away, in their order", async () => {
    const session = await open();
    proxy.block();
    await until(async () =>
      (await (await fetch(`${server.http}/metrics`)).text()).includes("masklet_connections 0\n"),
    );
    const answers = [
      session.addPrompt({ ...click, frame_index: 3, obj_id: 5 }),
      session.removeObject(5),
      session.get(),
    ] as const;
    const frames = (async () => {
      const seen: number[] = [];
      for await (const { frame_index } of session.propagate({
        max_frame_num_to_track: 2,
        start_frame_index: 0,
      }))
        seen.push(frame_index);
      return seen;
    })();
    proxy.restore();
    const [, , facts] = await Promise.all(answers);
    expect(facts).toMatchObject({ obj_ids: [0] });
    expect(await frames).toEqual([0, 1, 2]);
  });

  it("finds the session whose start was not answered", async () => {
    const release = engine.hold("open");
    const starting = open();
    await until(() => engine.calls.includes("open"));
    proxy.cut();
    await until(async () =>
      (await (await fetch(`${server.http}/metrics`)).text()).includes("masklet_connections 1\n"),
    );
    release();
    const session = await starting;
    expect(await session.get()).toMatchObject({ obj_ids: [0] });
    expect(engine.calls.filter((call) => call === "open")).toHaveLength(1);
    expect((await server.health()).sessions).toBe(1);
  });

  it("starts a session whose start did not reach the server", async () => {
    proxy.block();
    const starting = open();
    proxy.restore();
    await starting;
    expect((await server.health()).sessions).toBe(1);
  });

  it("reports a session that has ended meanwhile, and serves the next", async () => {
    const session = await open();
    const events: EventMessage[] = [];
    client.onEvent((event) => events.push(event));
    const release = engine.hold("describe");
    const get = session.get();
    await engine.called("describe");
    proxy.block();
    await until(async () =>
      (await (await fetch(`${server.http}/metrics`)).text()).includes("masklet_connections 0\n"),
    );
    release();
    await server.predictor.sessions.find("address loopback", session.id)?.close();
    proxy.restore();
    await expect(get).rejects.toMatchObject({ code: "session_not_found" });
    expect(events).toMatchObject([{ event: "session_lost", session_id: session.id }]);
    await open();
  });

  it("counts a session as closed when it closed while the client was away", async () => {
    const session = await open();
    const release = engine.hold("prompt");
    const prompt = session.addPrompt({ ...click, frame_index: 9 });
    await engine.called("prompt 9");
    const close = session.close();
    await until(() => server.predictor.sessions.count === 0);
    proxy.cut();
    release();
    await close;
    await expect(prompt).rejects.toMatchObject({ code: "session_not_found" });
  });

  it("fails a stream whose results were dropped, instead of leaving out frames", async () => {
    await client.close();
    await proxy[Symbol.asyncDispose]();
    await server.close();
    await start({ maxLogBytes: 8000 });
    const session = await open();
    const seen: number[] = [];
    const loop = (async () => {
      for await (const frame of session.propagate({ window: 1000 })) {
        seen.push(frame.frame_index);
        if (frame.frame_index === 3) proxy.cutAfter(5000, 60_000);
      }
    })();
    await expect(loop).rejects.toMatchObject({ code: "results_lost", retryable: false });
    expect(seen).toEqual(upTo(seen.length));
  });

  it("gives up after the attempts that it may make", async () => {
    const short = await connect(`ws://127.0.0.1:${proxy.port}`, {
      reconnect: { maxAttempts: 2, firstDelayMs: 1 },
    });
    const session = await open(short);
    proxy.block();
    await expect(session.get()).rejects.toMatchObject({ code: "connection_lost", retryable: true });
    await expect(session.get()).rejects.toMatchObject({ code: "connection_lost" });
    expect(await short.closed).toMatchObject({ code: 1006 });
    proxy.restore();
  });

  it("ends when asked to while it is away", async () => {
    const session = await open();
    proxy.block();
    const get = session.get();
    await Promise.all([client.close(), expect(get).rejects.toMatchObject({ code: "connection_lost" })]);
    expect((await server.health()).sessions).toBe(1);
  });

  it("leaves its sessions open when it detaches, and closes those it started when it closes", async () => {
    const session = await open();
    await client.detach();
    expect((await server.health()).sessions).toBe(1);
    client = await connect(server.url, { reconnect });
    const again = await client.attachSession({ session_token: session.token });
    expect(again.facts).toEqual(session.facts);
    expect(await again.get()).toMatchObject({ obj_ids: [0] });
    await client.close();
    // It did not start the session, so it only leaves it.
    expect((await server.health()).sessions).toBe(1);
    client = await connect(server.url, { reconnect });
    await open();
    await client.close();
    await until(async () => (await server.health()).sessions === 1);
  });

  it("loses a session to a client that takes it over", async () => {
    const session = await open();
    const release = engine.hold("describe");
    const get = session.get();
    await engine.called("describe");
    const other = await connect(server.url);
    const taken = await other.attachSession({ session_token: session.token });
    await expect(get).rejects.toMatchObject({ code: "session_detached" });
    release();
    await expect(session.get()).rejects.toMatchObject({ code: "session_not_found" });
    expect(await taken.get()).toMatchObject({ obj_ids: [0] });
    await other.close();
  });

  it("watches the session of another client", async () => {
    const session = await open();
    const other = await connect(server.url);
    const results: ServerMessage[] = [];
    const watched = await other.attachSession({
      session_token: session.token,
      watch: true,
      onResult: (message) => results.push(message),
    });
    for await (const _ of session.propagate());
    await until(() => results.at(-1)?.type === "done");
    expect(results.filter((message) => message.type === "frame")).toHaveLength(FRAMES);
    await expect(watched.reset()).rejects.toMatchObject({ code: "read_only" });
    expect(await watched.get()).toMatchObject({ obj_ids: [0] });
    await other.close();
  });
});

describe("a client process that is killed in the middle of a stream", () => {
  it("is followed by another that receives every frame once, with the masks of an undisturbed run", async () => {
    const clip = await makeClip({ name: "killed.mp4", frames: FRAMES });
    const server = await startTestServer();
    onTestFinished(() => server.close());
    const script = fileURLToPath(new URL("../helpers/streaming-client.ts", import.meta.url));
    const child = spawn(process.execPath, ["--import", "tsx", script, server.url, clip], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let token = "";
    const before: Pick<FrameMessage, "seq" | "frame_index" | "outputs">[] = [];
    for await (const line of createInterface(child.stdout)) {
      const value = JSON.parse(line);
      if (value.token) token = value.token;
      else before.push(value);
      if (before.length === 20) child.kill("SIGKILL");
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    expect(child.signalCode).toBe("SIGKILL");

    const client = await connect(server.url);
    const after: FrameMessage[] = [];
    let isDone = false;
    await client.attachSession({
      session_token: token,
      after_seq: before.at(-1)?.seq ?? 0,
      onResult(message) {
        if (message.type === "frame") after.push(message);
        if (message.type === "done") isDone = true;
      },
    });
    await until(() => isDone);
    const undisturbed = await client.startSession({ resource_path: clip });
    await undisturbed.addPrompt(click);
    const expected: unknown[] = [];
    for await (const { frame_index, outputs } of undisturbed.propagate())
      expected.push({ frame_index, outputs });
    const seen = [...before, ...after].map(({ frame_index, outputs }) => ({ frame_index, outputs }));
    expect(seen).toEqual(expected);
    expect(after.length).toBeGreaterThan(0);
    await client.close();
  }, 180_000);
});
