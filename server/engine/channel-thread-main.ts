/** Entry of the thread of the inference process that reads and writes its channel, see `channel.ts`. */
import { Socket } from "node:net";
import { serialize } from "node:v8";
import { parentPort } from "node:worker_threads";
import { CHANNEL_FD, createMessageReader, type OutgoingMessage, writeMessage } from "./channel.js";
import type { SnapshotPart } from "./ipc.js";
import { createOutbox } from "./outbox.js";

/** Largest part of a snapshot. Higher: answers wait longer behind one. Lower: more messages. */
const MAX_PART_BYTES = 256 * 2 ** 10;

const port = parentPort;
if (!port) throw new Error("This is the entry of a thread; it does nothing on its own.");

const stream = new Socket({ fd: CHANNEL_FD, readable: true, writable: true });
stream.on("error", () => {});
// The main process is gone. The main thread may be in a graph, or hang in one, and cannot end this process then.
stream.on("close", () => process.kill(process.pid, "SIGKILL"));
stream.on(
  "data",
  createMessageReader((bytes) => port.postMessage(bytes, [bytes.buffer as ArrayBuffer])),
);

const outbox = createOutbox<() => Uint8Array>((message, done) => writeMessage(stream, message(), done));
port.on("message", (message: OutgoingMessage) => {
  if (message instanceof Uint8Array) outbox.send(() => message, { session: null, isUrgent: true });
  else sendSnapshot(message);
});

function sendSnapshot({ snapshotOf, bytes }: Exclude<OutgoingMessage, Uint8Array>): void {
  for (let at = 0; at < bytes.length; at += MAX_PART_BYTES) {
    const part = bytes.subarray(at, at + MAX_PART_BYTES);
    outbox.send(() => serialize({ snapshotOf, part } satisfies SnapshotPart), {
      session: snapshotOf,
      isUrgent: false,
    });
  }
}
