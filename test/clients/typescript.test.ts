import { once } from "node:events";
import { describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { connect, type FrameMessage, MaskletError } from "../../clients/typescript/index.js";
import {
  doneOf,
  frameOf,
  NO_OUTPUTS,
  type Peer,
  type ReceivedRequest,
  startScriptedServer,
  VIDEO,
} from "../helpers/scripted-server.js";

type Script = (request: ReceivedRequest, peer: Peer) => void;

/** A session on a server that answers `start_session` by itself and leaves the rest to the script. */
async function startSession(script: Script, options?: Parameters<typeof connect>[1]) {
  const server = await startScriptedServer((request, peer) => {
    if (request.type === "start_session") peer.respond(request, VIDEO);
    else script(request, peer);
  });
  const client = await connect(server.url, options);
  const session = await client.startSession({ resource_path: "dog.mp4" });
  return { server, client, session, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

const indices = (frames: FrameMessage[]) => frames.map((frame) => frame.frame_index);

async function collect<T>(iterable: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of iterable) items.push(item);
  return items;
}

/** A `ws` class that notes how its sockets are paused and how many messages they deliver. */
function watchedWebSocket() {
  const log = { pauses: 0, isPaused: false, messages: 0 };
  class Watched extends WebSocket {
    constructor(url: string, protocols: string) {
      super(url, protocols);
      this.on("message", () => {
        log.messages++;
      });
    }
    override pause() {
      log.pauses++;
      log.isPaused = true;
      super.pause();
    }
    override resume() {
      log.isPaused = false;
      super.resume();
    }
  }
  return { webSocket: Watched, log };
}

describe("a request", () => {
  it("goes out in the words of the wire and resolves to the answer's fields", async () => {
    await using world = await startSession((request, peer) => {
      peer.respond(request, { frame_index: 3, obj_id: 7, outputs: NO_OUTPUTS });
    });
    const { server, session } = world;
    expect(session.facts).toEqual(VIDEO);
    const answer = await session.addPrompt({ frame_index: 3, points: [[0.5, 0.5]], point_labels: [1] });
    expect(answer).toEqual({ frame_index: 3, obj_id: 7, outputs: NO_OUTPUTS });
    expect(server.received).toEqual([
      { type: "start_session", request_id: "1", resource_path: "dog.mp4" },
      {
        type: "add_prompt",
        request_id: "2",
        session_id: "s",
        frame_index: 3,
        points: [[0.5, 0.5]],
        point_labels: [1],
      },
    ]);
  });

  it("exists for everything a session can be asked", async () => {
    await using world = await startSession((request, peer) => peer.respond(request, { is_success: true }));
    const { server, client, session } = world;
    await session.cancel();
    await session.removeObject(4);
    await session.reset();
    await session.get();
    await session.close();
    await client.request({ type: "close_session", session_id: "other" });
    expect(server.received.slice(1)).toEqual([
      { type: "cancel_propagation", request_id: "2", session_id: "s" },
      { type: "remove_object", request_id: "3", session_id: "s", obj_id: 4 },
      { type: "reset_session", request_id: "4", session_id: "s" },
      { type: "get_session", request_id: "5", session_id: "s" },
      { type: "close_session", request_id: "6", session_id: "s" },
      { type: "close_session", request_id: "7", session_id: "other" },
    ]);
  });

  it("gets its own answer when answers overtake each other", async () => {
    const waiting: ReceivedRequest[] = [];
    await using world = await startSession((request, peer) => {
      waiting.push(request);
      if (waiting.length < 3) return;
      for (const one of waiting.reverse()) {
        peer.respond(one, {
          frame_index: one.type === "add_prompt" ? one.frame_index : -1,
          outputs: NO_OUTPUTS,
        });
      }
    });
    const prompt = (frame_index: number) => world.session.addPrompt({ frame_index, text: "dog" });
    const answers = await Promise.all([prompt(0), prompt(1), prompt(2)]);
    expect(answers.map((answer) => answer.frame_index)).toEqual([0, 1, 2]);
  });

  it("rejects with the server's error", async () => {
    const error = { code: "invalid_field", message: "what, why", field: "points[0][1]", retryable: false };
    await using world = await startSession(({ request_id }, peer) =>
      peer.send({ type: "error", request_id, error }),
    );
    const failed = world.session.addPrompt({ frame_index: 0, text: "dog" });
    await expect(failed).rejects.toBeInstanceOf(MaskletError);
    await expect(failed).rejects.toMatchObject(error);
  });
});

describe("a stream", () => {
  const tenFrames: Script = (request, peer) => {
    for (let index = 0; index < 10; index++) peer.send(frameOf(request, index));
    peer.send(doneOf(request, 10));
  };

  it("yields the frames in order and returns the done message", async () => {
    await using world = await startSession(tenFrames);
    const { server, session } = world;
    const stream = session.propagate({ propagation_direction: "forward", start_frame_index: 0 });
    const frames: FrameMessage[] = [];
    let step = await stream.next();
    while (!step.done) {
      frames.push(step.value);
      step = await stream.next();
    }
    expect(indices(frames)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(frames[3]).toMatchObject({
      type: "frame",
      session_id: "s",
      timestamp_us: 120_000,
      outputs: NO_OUTPUTS,
    });
    expect(step.value).toMatchObject({ type: "done", num_frames: 10, cancelled: false });
    expect(server.received.at(-1)).toEqual({
      type: "propagate_in_video",
      request_id: "2",
      session_id: "s",
      propagation_direction: "forward",
      start_frame_index: 0,
    });
  });

  it("asks for nothing before its first frame is wanted", async () => {
    await using world = await startSession(tenFrames);
    world.session.propagate();
    await world.client.request({ type: "start_session", resource_path: "again" });
    expect(world.server.received.map((request) => request.type)).toEqual(["start_session", "start_session"]);
  });

  it("is cancelled when its loop is left, and has ended when the loop is over", async () => {
    let stream: ReceivedRequest | undefined;
    await using world = await startSession((request, peer) => {
      if (request.type === "propagate_in_video") {
        stream = request;
        peer.send(frameOf(request, 0));
        peer.send(frameOf(request, 1));
        return;
      }
      peer.respond(request, { is_success: true });
      if (!stream) return;
      peer.send(frameOf(stream, 2));
      peer.send(doneOf(stream, 3, true));
      stream = undefined;
    });
    for await (const frame of world.session.propagate()) {
      expect(frame.frame_index).toBe(0);
      break;
    }
    expect(stream).toBeUndefined();
    expect(world.server.received.slice(1).map((request) => request.type)).toEqual([
      "propagate_in_video",
      "cancel_propagation",
    ]);
  });

  it("is cancelled when its loop throws, and the loop's error wins", async () => {
    await using world = await startSession((request, peer) => {
      if (request.type === "propagate_in_video") peer.send(frameOf(request, 0));
      else {
        peer.respond(request, { is_success: true });
        peer.send({ ...doneOf(request, 1, true), request_id: "2" });
      }
    });
    const loop = async () => {
      for await (const _ of world.session.propagate()) throw new Error("of the loop");
    };
    await expect(loop()).rejects.toThrow("of the loop");
    expect(world.server.received.at(-1)?.type).toBe("cancel_propagation");
  });

  it("needs no cancelling when it has ended already", async () => {
    await using world = await startSession(tenFrames);
    await collect(world.session.propagate());
    expect(world.server.received).toHaveLength(2);
  });

  it("hands over the frames before an error, then the error", async () => {
    await using world = await startSession((request, peer) => {
      peer.send(frameOf(request, 0));
      peer.send(frameOf(request, 1));
      const error = { code: "engine_failed", message: "out of luck", retryable: false };
      peer.send({ type: "error", request_id: request.request_id, error });
    });
    const frames: FrameMessage[] = [];
    const loop = async () => {
      for await (const frame of world.session.propagate()) frames.push(frame);
    };
    await expect(loop()).rejects.toMatchObject({ name: "MaskletError", code: "engine_failed" });
    expect(indices(frames)).toEqual([0, 1]);
    expect(world.server.received).toHaveLength(2);
  });

  it("ends with what was made when it is cancelled from outside", async () => {
    let stream: ReceivedRequest | undefined;
    await using world = await startSession((request, peer) => {
      if (request.type === "propagate_in_video") {
        stream = request;
        peer.send(frameOf(request, 0));
      } else if (stream) {
        peer.respond(request, { is_success: true });
        peer.send(frameOf(stream, 1));
        peer.send(doneOf(stream, 2, true));
      }
    });
    const frames: FrameMessage[] = [];
    for await (const frame of world.session.propagate()) {
      if (frames.length === 0) void world.session.cancel();
      frames.push(frame);
    }
    expect(indices(frames)).toEqual([0, 1]);
  });
});

describe("a slow loop", () => {
  const COUNT = 200;
  const bulky = { ...NO_OUTPUTS, out_binary_masks: [{ size: [48, 64], counts: "x".repeat(100_000) }] };
  /** Sends a whole stream at once: more than the buffers of a network hold. */
  const flood: Script = (request, peer) => {
    if (request.type !== "propagate_in_video") {
      peer.respond(request, { frame_index: 0, outputs: NO_OUTPUTS });
      return;
    }
    for (let index = 0; index < COUNT; index++) {
      peer.send(frameOf(request, index, bulky as typeof NO_OUTPUTS));
    }
    peer.send(doneOf(request, COUNT));
  };

  it("stops the socket, so that frames wait on the server and none is lost", async () => {
    const { webSocket, log } = watchedWebSocket();
    await using world = await startSession(flood, { webSocket, maxQueuedFrames: 4 });
    const stream = world.session.propagate();
    await stream.next();
    await vi.waitFor(() => expect(log.isPaused).toBe(true), { timeout: 20_000 });
    const [peer] = world.server.peers;
    expect(log.messages).toBeLessThan(50);
    expect(peer?.socket.bufferedAmount).toBeGreaterThan(1_000_000);

    const rest = await collect(stream);
    expect(indices(rest)).toEqual(Array.from({ length: COUNT - 1 }, (_, index) => index + 1));
    expect(log.isPaused).toBe(false);
  });

  it("may wait for another answer although its queue is full", async () => {
    const { webSocket, log } = watchedWebSocket();
    await using world = await startSession(flood, { webSocket, maxQueuedFrames: 1 });
    let frames = 0;
    for await (const _ of world.session.propagate()) {
      if (frames++ === 0) {
        await vi.waitFor(() => expect(log.isPaused).toBe(true), { timeout: 20_000 });
        await world.session.addPrompt({ frame_index: 0, text: "dog" });
      }
    }
    expect(frames).toBe(COUNT);
  });

  it("does not starve a loop over another stream", async () => {
    const { webSocket } = watchedWebSocket();
    await using world = await startSession(flood, { webSocket, maxQueuedFrames: 1 });
    const [first, second] = [world.session.propagate(), world.session.propagate()];
    await first.next();
    // All of the second stream comes after all of the first, which nobody reads meanwhile.
    expect(await collect(second)).toHaveLength(COUNT);
    expect(await collect(first)).toHaveLength(COUNT - 1);
  });

  it("gets everything also where sockets cannot be stopped, as in browsers", async () => {
    class BrowserLike {
      constructor(url: string, protocols: string) {
        const socket = new WebSocket(url, protocols);
        Object.assign(socket, { pause: undefined, resume: undefined, ping: undefined });
        // biome-ignore lint/correctness/noConstructorReturn: a stand-in for a class of the platform
        return socket as unknown as BrowserLike;
      }
      declare send: (text: string) => void;
      declare close: () => void;
    }
    await using world = await startSession(flood, { webSocket: BrowserLike, maxQueuedFrames: 1 });
    expect(await collect(world.session.propagate())).toHaveLength(COUNT);
  });
});

describe("a connection", () => {
  it("asks for the protocol's version at /v1", async () => {
    await using server = await startScriptedServer(() => {});
    const client = await connect(server.url.replace("ws:", "http:"));
    expect(server.peers[0]?.socket.protocol).toBe("masklet.v1");
    await client.close();
  });

  it("fails what waits, and everything after, when it is lost", async () => {
    await using world = await startSession((request, peer) => {
      if (request.type === "propagate_in_video") peer.send(frameOf(request, 0));
    });
    const { client, session, server } = world;
    const stream = session.propagate();
    await stream.next();
    const next = stream.next();
    const answer = session.get();
    server.peers[0]?.socket.terminate();
    const lost = { name: "MaskletError", code: "connection_lost", retryable: true };
    await expect(next).rejects.toMatchObject(lost);
    await expect(answer).rejects.toMatchObject(lost);
    await expect(session.get()).rejects.toMatchObject(lost);
    await expect(session.propagate().next()).rejects.toMatchObject(lost);
    expect(await client.closed).toMatchObject({ code: 1006 });
  });

  it("says with which code and reason the server ended it", async () => {
    await using world = await startSession((_, peer) => peer.socket.close(1001, "shutting_down"));
    await expect(world.session.get()).rejects.toThrow(/1001.*shutting_down/);
    expect(await world.client.closed).toEqual({ code: 1001, reason: "shutting_down" });
  });

  it("ends when asked to, also twice and while a full queue holds it back", async () => {
    const { webSocket, log } = watchedWebSocket();
    await using world = await startSession(
      (request, peer) => {
        for (let index = 0; index < 20; index++) peer.send(frameOf(request, index));
      },
      { webSocket, maxQueuedFrames: 2 },
    );
    const { client, session, server } = world;
    await session.propagate().next();
    await vi.waitFor(() => expect(log.isPaused).toBe(true));
    const socket = server.peers[0]?.socket as WebSocket;
    const seen = once(socket, "close");
    await Promise.all([client.close(), client.close()]);
    await seen;
    await expect(session.get()).rejects.toMatchObject({ code: "connection_lost" });
  });

  it("cannot be made where nobody listens", async () => {
    const server = await startScriptedServer(() => {});
    await server[Symbol.asyncDispose]();
    await expect(connect(server.url)).rejects.toMatchObject({ code: "connection_failed", retryable: true });
  });

  it("needs an address of a kind it knows", async () => {
    await expect(connect("ftp://127.0.0.1")).rejects.toThrow(RangeError);
  });

  it("tells of events until nobody listens any more", async () => {
    const event = { type: "event", event: "session_expiring", session_id: "s", expires_in_ms: 60_000 };
    await using world = await startSession((request, peer) => {
      peer.send(event);
      peer.respond(request, {});
    });
    const heard: object[] = [];
    const stop = world.client.onEvent((one) => heard.push(one));
    await world.session.get();
    stop();
    await world.session.get();
    expect(heard).toEqual([event]);
  });

  it("is given up when the other side speaks another language", async () => {
    await using world = await startSession((_, peer) => peer.socket.send("hello"));
    await expect(world.session.get()).rejects.toMatchObject({ code: "connection_lost", retryable: false });
    await world.client.closed;
  });

  it("ignores answers to nobody and messages of a later version", async () => {
    await using world = await startSession((request, peer) => {
      peer.send({ type: "response", request_id: "none" });
      peer.send({ type: "weather", request_id: request.request_id });
      peer.send({
        type: "error",
        request_id: null,
        error: { code: "malformed_json", message: "", retryable: false },
      });
      peer.respond(request, { session_id: "s" });
    });
    expect(await world.session.get()).toEqual({ session_id: "s" });
  });
});
