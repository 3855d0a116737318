import { once } from "node:events";
import { describe, expect, it } from "vitest";
import type { WebSocket } from "ws";
import { connect, type FrameMessage, MaskletError } from "../../clients/typescript/index.js";
import type { AckMessage } from "../../protocol/index.js";
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
  const client = await connect(server.url, { reconnect: false, ...options });
  const session = await client.startSession({ resource_path: "dog.mp4" });
  return { server, client, session, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

/** Request ids are a random prefix and a number. */
const numbered = (number: number) => expect.stringMatching(new RegExp(`^[\\w-]{8}-${number}$`));

const TOKEN = expect.stringMatching(/^[\w-]{32}$/);

const indices = (frames: FrameMessage[]) => frames.map((frame) => frame.frame_index);

async function collect<T>(iterable: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of iterable) items.push(item);
  return items;
}

describe("a request", () => {
  it("is sent with the field names of the wire and resolves to the answer's fields", async () => {
    await using world = await startSession((request, peer) => {
      peer.respond(request, { frame_index: 3, obj_id: 7, outputs: NO_OUTPUTS });
    });
    const { server, session } = world;
    expect(session.facts).toEqual(VIDEO);
    const answer = await session.addPrompt({ frame_index: 3, points: [[0.5, 0.5]], point_labels: [1] });
    expect(answer).toEqual({ frame_index: 3, obj_id: 7, outputs: NO_OUTPUTS });
    expect(server.received).toEqual([
      { type: "start_session", request_id: numbered(1), resource_path: "dog.mp4", session_token: TOKEN },
      {
        type: "add_prompt",
        request_id: numbered(2),
        session_id: "s",
        frame_index: 3,
        points: [[0.5, 0.5]],
        point_labels: [1],
      },
    ]);
  });

  it("exists for every request about a session", async () => {
    await using world = await startSession((request, peer) => peer.respond(request, { is_success: true }));
    const { server, client, session } = world;
    await session.cancel();
    await session.removeObject(4);
    await session.reset();
    await session.get();
    await session.close();
    await client.request({ type: "close_session", session_id: "other" });
    expect(server.received.slice(1)).toEqual([
      { type: "cancel_propagation", request_id: numbered(2), session_id: "s" },
      { type: "remove_object", request_id: numbered(3), session_id: "s", obj_id: 4 },
      { type: "reset_session", request_id: numbered(4), session_id: "s" },
      { type: "get_session", request_id: numbered(5), session_id: "s" },
      { type: "close_session", request_id: numbered(6), session_id: "s" },
      { type: "close_session", request_id: numbered(7), session_id: "other" },
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
    const error = {
      code: "invalid_field",
      message: "seen, expected",
      field: "points[0][1]",
      retryable: false,
    };
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
      request_id: numbered(2),
      session_id: "s",
      propagation_direction: "forward",
      start_frame_index: 0,
      window: 16,
    });
  });

  it("sends nothing before its first frame is requested", async () => {
    await using world = await startSession(tenFrames);
    world.session.propagate();
    await world.client.request({ type: "start_session", resource_path: "again" });
    expect(world.server.received.map((request) => request.type)).toEqual(["start_session", "start_session"]);
  });

  it("is cancelled when its loop is left, and has ended after the loop", async () => {
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
        peer.send({ ...doneOf(request, 1, true), request_id: request.request_id.replace(/\d+$/, "2") });
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

  it("delivers the frames before an error, then the error", async () => {
    await using world = await startSession((request, peer) => {
      peer.send(frameOf(request, 0));
      peer.send(frameOf(request, 1));
      const error = { code: "engine_failed", message: "a step failed", retryable: false };
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

  it("ends with the frames made so far when it is cancelled from outside", async () => {
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
  const COUNT = 60;

  interface Sent {
    request: ReceivedRequest;
    sent: number;
    acks: number[];
  }

  /** Sends the frames of a stream as a server does: never more than its window ahead of the acknowledgements. */
  function windowedServer() {
    const streams = new Map<string, Sent>();
    function proceed(stream: Sent, peer: Peer): void {
      const { request } = stream;
      const window = request.type === "propagate_in_video" ? (request.window ?? Infinity) : 0;
      for (; stream.sent < COUNT && stream.sent - (stream.acks.at(-1) ?? 0) < window; stream.sent++) {
        peer.send(frameOf(request, stream.sent));
      }
      if (stream.sent === COUNT && streams.delete(request.request_id)) peer.send(doneOf(request, COUNT));
    }
    const script: Script = (message, peer) => {
      if (message.type === "propagate_in_video") {
        const stream = { request: message, sent: 0, acks: [] };
        streams.set(message.request_id, stream);
        proceed(stream, peer);
      } else if ((message.type as string) === "ack") {
        const stream = streams.get(message.request_id);
        // It may cross the end of the stream.
        if (!stream) return;
        stream.acks.push((message as unknown as AckMessage).num_frames);
        proceed(stream, peer);
      } else peer.respond(message, { frame_index: 0, outputs: NO_OUTPUTS });
    };
    return { script, streams };
  }

  it.each([
    [{}, {}, 16, 8],
    [{ window: 5 }, {}, 5, 3],
    [{ window: 5 }, { window: 1 }, 1, 1],
  ])(
    "with options %j and fields %j has a window of %i frames and an ack for every %i",
    async (options, fields, window, every) => {
      const { script, streams } = windowedServer();
      await using world = await startSession(script, options);
      const stream = world.session.propagate(fields);
      await stream.next();
      const [sent] = [...streams.values()];
      expect(sent?.request).toMatchObject({ window });
      // One frame is taken; an answer comes after all that was sent before.
      await world.session.get();
      expect(sent?.sent).toBe(every === 1 ? window + 1 : window);
      const rest = await collect(stream);
      expect(indices(rest)).toEqual(Array.from({ length: COUNT - 1 }, (_, index) => index + 1));
      const acks = sent?.acks ?? [];
      expect(acks).toEqual(acks.map((_, index) => (index + 1) * every));
    },
  );

  it("does not hold up answers or another stream on the same connection", async () => {
    const { script } = windowedServer();
    await using world = await startSession(script, { window: 2 });
    const [first, second] = [world.session.propagate(), world.session.propagate()];
    await first.next();
    await world.session.addPrompt({ frame_index: 0, text: "dog" });
    expect(await collect(second)).toHaveLength(COUNT);
    expect(await collect(first)).toHaveLength(COUNT - 1);
  });

  it.each([0, 1.5, Number.NaN])("cannot have a window of %d", async (window) => {
    await using world = await startSession(() => {});
    await expect(world.session.propagate({ window }).next()).rejects.toThrow(
      `window: expected an integer from 1, got ${window}`,
    );
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

  it("reports the code and the reason with which the server ended it", async () => {
    await using world = await startSession((_, peer) => peer.socket.close(1001, "shutting_down"));
    await expect(world.session.get()).rejects.toThrow(/1001.*shutting_down/);
    expect(await world.client.closed).toEqual({ code: 1001, reason: "shutting_down" });
  });

  it("ends when asked to, also twice and while frames wait", async () => {
    await using world = await startSession((request, peer) => {
      for (let index = 0; index < 20; index++) peer.send(frameOf(request, index));
    });
    const { client, session, server } = world;
    await session.propagate().next();
    const socket = server.peers[0]?.socket as WebSocket;
    const seen = once(socket, "close");
    await Promise.all([client.close(), client.close()]);
    await seen;
    await expect(session.get()).rejects.toMatchObject({ code: "connection_lost" });
  });

  it("fails where no server listens", async () => {
    const server = await startScriptedServer(() => {});
    await server[Symbol.asyncDispose]();
    await expect(connect(server.url)).rejects.toMatchObject({ code: "connection_failed", retryable: true });
  });

  it("refuses an address of another scheme", async () => {
    await expect(connect("ftp://127.0.0.1")).rejects.toThrow(RangeError);
  });

  it("reports events until the listener is removed", async () => {
    const event = { type: "event", event: "session_expiring", session_id: "s", expires_in_ms: 60_000 };
    await using world = await startSession((request, peer) => {
      peer.send(event);
      peer.respond(request, {});
    });
    const reported: object[] = [];
    const stop = world.client.onEvent((one) => reported.push(one));
    await world.session.get();
    stop();
    await world.session.get();
    expect(reported).toEqual([event]);
  });

  it.each([
    ["text that is not JSON", "hello"],
    ["a binary message", Buffer.from([1, 2, 3])],
  ])("ends when the server sends %s", async (what, data) => {
    await using world = await startSession((_, peer) => peer.socket.send(data));
    await expect(world.session.get()).rejects.toThrow(what);
    await expect(world.session.get()).rejects.toMatchObject({ code: "connection_lost", retryable: false });
    await world.client.closed;
  });

  it("ignores answers to unknown requests and messages of a later version", async () => {
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
