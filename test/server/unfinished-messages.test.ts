/** Clients that begin large messages and do not end them. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { createScriptedEngine } from "../helpers/scripted-engine.js";
import { startTestServer } from "../helpers/server.js";
import { until } from "../helpers/settle.js";

const MIB = 1024 ** 2;

/** A WebSocket as bytes, after its handshake. */
async function openRaw(port: number): Promise<Socket> {
  const socket = connectTcp(port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  socket.on("error", () => {});
  const key = randomBytes(16).toString("base64");
  socket.write(
    `GET /v1 HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${key}\r\n\r\n`,
  );
  const [answer] = (await once(socket, "data")) as [Buffer];
  expect(answer.toString()).toContain("101");
  return socket;
}

/** The beginning of a masked binary message of `length` bytes, with `sent` of them. */
function begun(length: number, sent: number): Buffer {
  const header = Buffer.alloc(14);
  header.writeUInt8(0x82, 0);
  header.writeUInt8(0xff, 1);
  header.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([header, Buffer.alloc(sent)]);
}

test("closes sockets when the unfinished messages of an owner exceed its share, and gives the share back", async () => {
  const settings = { maxMessageBytesPerOwner: 10 * MIB };
  const server = await startTestServer(settings, { engine: createScriptedEngine() });
  onTestFinished(() => server.close());
  const used = async () =>
    (await server.predictor.shares.total()).find(({ name }) => name === "messageBytes")?.used;
  const sockets = [];
  for (let n = 0; n < 3; n++) sockets.push(await openRaw(server.port));
  const [first, second, third] = sockets as [Socket, Socket, Socket];
  for (const socket of [first, second]) socket.write(begun(5 * MIB, 4 * MIB + 1000));
  await until(async () => (await used()) === 8 * MIB);
  const closed = new Promise((resolve) => third.once("close", resolve));
  third.write(begun(5 * MIB, 4 * MIB));
  await closed;
  await until(async () => (await used()) === 8 * MIB);
  // Small messages take nothing: other sockets of the owner are served.
  const client = await server.connect();
  await client.expectResponse({ type: "get_server" });
  // A complete message gives its part back.
  first.write(Buffer.alloc(MIB - 1000));
  await until(async () => (await used()) === 4 * MIB);
  second.destroy();
  await until(async () => (await used()) === 0);
  await client.close();
});
