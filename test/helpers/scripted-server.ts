import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import type { DoneMessage, FrameMessage, Outputs, Request } from "../../protocol/index.js";

export type ReceivedRequest = Request & { request_id: string };

export interface Peer {
  readonly socket: WebSocket;
  send(message: object): void;
  /** Answers a request with these fields. */
  respond(request: ReceivedRequest, fields: object): void;
}

export interface ScriptedServer extends AsyncDisposable {
  url: string;
  /** All messages received so far, on all connections. */
  readonly received: ReceivedRequest[];
  readonly peers: Peer[];
}

/** A WebSocket server that runs the script for each message and does nothing else. */
export async function startScriptedServer(
  script: (request: ReceivedRequest, peer: Peer) => void,
): Promise<ScriptedServer> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  const received: ReceivedRequest[] = [];
  const peers: Peer[] = [];
  server.on("connection", (socket) => {
    const send = (message: object) => socket.send(JSON.stringify(message));
    const peer: Peer = {
      socket,
      send,
      respond: ({ request_id }, fields) => send({ type: "response", request_id, ...fields }),
    };
    peers.push(peer);
    socket.on("message", (data) => {
      const request = JSON.parse(String(data)) as ReceivedRequest;
      received.push(request);
      script(request, peer);
    });
  });
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    peers,
    async [Symbol.asyncDispose]() {
      for (const { socket } of peers) socket.terminate();
      server.close();
      await once(server, "close");
    },
  };
}

export const VIDEO = {
  session_id: "s",
  kind: "video",
  width: 64,
  height: 48,
  num_frames: 10,
  fps: 25,
  start_time_us: 0,
  duration_s: 0.4,
} as const;

export const NO_OUTPUTS: Outputs = {
  out_obj_ids: [],
  out_probs: [],
  out_boxes_xywh: [],
  out_binary_masks: [],
  out_states: [],
  frame_stats: null,
};

export function frameOf(request: ReceivedRequest, frameIndex: number, outputs = NO_OUTPUTS): FrameMessage {
  const { request_id } = request;
  return {
    type: "frame",
    request_id,
    session_id: "s",
    frame_index: frameIndex,
    timestamp_us: frameIndex * 40_000,
    outputs,
  };
}

export function doneOf(request: ReceivedRequest, numFrames: number, cancelled = false): DoneMessage {
  return { type: "done", request_id: request.request_id, session_id: "s", num_frames: numFrames, cancelled };
}
