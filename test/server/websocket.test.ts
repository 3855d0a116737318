/** The transport over a real WebSocket. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { createLog } from "../../server/log.js";
import { createMetrics } from "../../server/metrics.js";
import type { Transport, TransportListener } from "../../server/transport.js";
import { serveWebSocket } from "../../server/websocket.js";

const options = {
  maxBufferedBytes: 1000,
  heartbeatIntervalMs: 60_000,
  maxMessageBytes: 100_000,
  maxFrameBytes: 100_000,
  log: createLog("silent"),
  metrics: createMetrics(),
};

/** A client of a server whose connections are opened by `open`. */
async function connectTo(open: (transport: Transport) => TransportListener): Promise<WebSocket> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  onTestFinished(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  server.on("connection", (socket) => serveWebSocket(socket, open, options));
  await once(server, "listening");
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  await once(client, "open");
  return client;
}

test("transfers text as text and bytes as bytes, in both directions", async () => {
  const received: (string | Uint8Array)[] = [];
  const client = await connectTo((transport) => ({
    onText: (text) => {
      received.push(text);
      void transport.send(text);
    },
    onBinary: (bytes) => {
      received.push(bytes);
      void transport.send(bytes);
    },
    onClose: () => {},
  }));
  client.send("grüße");
  expect((await once(client, "message")).map(String)).toEqual(["grüße", "false"]);
  client.send(Uint8Array.of(0, 255, 10));
  const [data, isBinary] = await once(client, "message");
  expect([...data, isBinary]).toEqual([0, 255, 10, true]);
  expect(received[0]).toBe("grüße");
  expect([...(received[1] as Uint8Array)]).toEqual([0, 255, 10]);
});

test.each(["text", Buffer.from("binary")])("closes with 4500 when handling %j throws", async (message) => {
  const fail = () => {
    throw new TypeError("fault");
  };
  const client = await connectTo(() => ({ onText: fail, onBinary: fail, onClose: fail }));
  client.send(message);
  expect((await once(client, "close"))[0]).toBe(4500);
});
