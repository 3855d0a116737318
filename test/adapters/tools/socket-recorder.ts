/** Stands between a client of the protocol and the server, and keeps the messages of the client. */
import type { AddressInfo } from "node:net";
import { type RawData, WebSocket, WebSocketServer } from "ws";
import { decodeEnvelope } from "../../../protocol/envelope.js";

export interface SocketRecorder {
  /** In place of the address of the server. */
  url: string;
  /** In their order. A binary message is its header, with the length of its payload. */
  messages: unknown[];
  close(): Promise<void>;
}

/** @param target the address of the server, `ws://…` */
export async function startSocketRecorder(target: string): Promise<SocketRecorder> {
  const messages: unknown[] = [];
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  server.on("connection", (client, { url = "" }) => {
    const upstream = new WebSocket(new URL(url, target), client.protocol ? [client.protocol] : []);
    const early: [RawData, boolean][] = [];
    client.on("message", (data, isBinary) => {
      messages.push(readMessage(data as Buffer, isBinary));
      if (upstream.readyState === WebSocket.OPEN) upstream.send(data, { binary: isBinary });
      else early.push([data, isBinary]);
    });
    upstream.on("open", () => {
      for (const [data, binary] of early) upstream.send(data, { binary });
    });
    upstream.on("message", (data, binary) => client.send(data, { binary }));
    upstream.on("close", () => client.close());
    client.on("close", () => upstream.close());
    for (const socket of [client, upstream]) socket.on("error", () => socket.terminate());
  });
  await new Promise<void>((resolve) => server.once("listening", resolve));
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    messages,
    close() {
      for (const client of server.clients) client.terminate();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function readMessage(data: Buffer, isBinary: boolean): unknown {
  if (!isBinary) return JSON.parse(data.toString());
  const { header, payload } = decodeEnvelope(data);
  return { ...header, payload_bytes: payload.length };
}
