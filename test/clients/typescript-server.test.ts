/** The client against the real server; only the model is scripted. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { connect, type MaskletClient, objectsOf } from "../../clients/typescript/index.js";
import { makeClip } from "../helpers/media.js";
import { createScriptedEngine, type ScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer, type TestServer } from "../helpers/server.js";
import { stableValue, until } from "../helpers/settle.js";

const FRAMES = 40;
const click = { frame_index: 0, points: [[0.5, 0.5]] as [number, number][], point_labels: [1] as (0 | 1)[] };

let engine: ScriptedEngine;
let server: TestServer;
let client: MaskletClient;
let clip: string;

beforeEach(async () => {
  clip = await makeClip({ name: "client.mp4", frames: FRAMES });
  engine = createScriptedEngine();
  server = await startTestServer({}, { engine });
  client = await connect(server.url);
});

afterEach(async () => {
  await client.close();
  await server.close();
});

describe("the client with the server", () => {
  it("uploads a video, clicks into it and gets every frame", async () => {
    const { upload_id, num_frames, codec } = await client.upload(clip, { filename: "client.mp4" });
    expect({ num_frames, codec }).toEqual({ num_frames: FRAMES, codec: "h264" });
    const session = await client.startSession({ upload_id });
    expect(session.facts).toMatchObject({ session_id: session.id, kind: "video", num_frames: FRAMES });
    expect(await session.addPrompt(click)).toMatchObject({ frame_index: 0, obj_id: 0 });
    expect(await session.get()).toMatchObject({ obj_ids: [0], propagating: false });

    const seen: number[] = [];
    for await (const frame of session.propagate()) {
      expect(objectsOf(frame.outputs).map((object) => object.id)).toEqual([0]);
      seen.push(frame.frame_index);
    }
    expect(seen).toEqual(Array.from({ length: FRAMES }, (_, index) => index));
    await session.close();
    await expect(session.get()).rejects.toMatchObject({ code: "session_not_found", retryable: false });
  });

  it("leaves a loop early and starts the next at once", async () => {
    const session = await client.startSession({ resource_path: clip });
    await session.addPrompt(click);
    for await (const frame of session.propagate()) if (frame.frame_index === 2) break;
    expect(await session.get()).toMatchObject({ propagating: false });
    const again: number[] = [];
    for await (const frame of session.propagate({ start_frame_index: 38 })) {
      again.push(frame.frame_index);
      if (again.length === 3) await session.cancel();
    }
    expect(again.slice(0, 3)).toEqual([38, 39, 37]);
    expect(again.length).toBeLessThan(FRAMES);
  });

  it("computes no more than the window for a loop that never reads, over a socket that always does", async () => {
    // Browsers cannot stop reading a socket: this one has no way to, and counts what arrives.
    let arrived = 0;
    class BrowserSocket {
      constructor(url: string, protocols: string) {
        const socket = new WebSocket(url, protocols);
        socket.on("message", (data) => {
          if (String(data).startsWith('{"type":"frame"')) arrived++;
        });
        Object.assign(socket, { pause: undefined, resume: undefined });
        // biome-ignore lint/correctness/noConstructorReturn: stands in for a class of the platform
        return socket as unknown as BrowserSocket;
      }
      declare send: (data: string | Uint8Array) => void;
      declare close: () => void;
    }
    const browser = await connect(server.url, { webSocket: BrowserSocket, window: 4 });
    const session = await browser.startSession({ resource_path: clip });
    await session.addPrompt(click);
    const computed = () => engine.calls.filter((call) => call.startsWith("next")).length;

    const stream = session.propagate();
    await stream.next();
    await until(() => arrived === 4);
    expect(await stableValue(() => arrived)).toBe(4);
    // The frame after the window is computed and waits on the server.
    expect(await stableValue(computed)).toBe(5);
    expect(await session.get()).toMatchObject({ propagating: true });

    const rest: number[] = [];
    for await (const frame of stream) rest.push(frame.frame_index);
    expect(rest).toEqual(Array.from({ length: FRAMES - 1 }, (_, index) => index + 1));
    await browser.close();
  });

  it("leaves a loop whose window is full", async () => {
    const narrow = await connect(server.url, { window: 1 });
    const session = await narrow.startSession({ resource_path: clip });
    await session.addPrompt(click);
    for await (const _ of session.propagate({ window: 2 })) break;
    expect(await session.get()).toMatchObject({ propagating: false });
    await narrow.close();
  });

  it("reports that its session was lost", async () => {
    const session = await client.startSession({ resource_path: clip });
    const event = new Promise((resolve) => client.onEvent(resolve));
    engine.crash();
    expect(await event).toMatchObject({
      event: "session_lost",
      session_id: session.id,
      error: { code: "engine_restarted", retryable: true },
    });
    await expect(session.get()).rejects.toMatchObject({ code: "session_not_found" });
  });

  it("fails when the server stops", async () => {
    const session = await client.startSession({ resource_path: clip });
    await session.addPrompt(click);
    const stream = session.propagate();
    await stream.next();
    const rest = (async () => {
      for await (const _ of stream);
    })();
    await Promise.all([server.close(), expect(rest).rejects.toMatchObject({ retryable: true })]);
  });
});
