/** Entry of the thread of the inference process that reads and writes its channel, see `channel.ts`. */
import { Socket } from "node:net";
import { parentPort } from "node:worker_threads";
import { CHANNEL_FD, createMessageReader, writeMessage } from "./channel.js";

const port = parentPort;
if (!port) throw new Error("This is the entry of a thread; it does nothing on its own.");

const stream = new Socket({ fd: CHANNEL_FD, readable: true, writable: true });
// The main process is gone. The main thread ends this process.
stream.on("error", () => {});
stream.on(
  "data",
  createMessageReader((bytes) => port.postMessage(bytes, [bytes.buffer as ArrayBuffer])),
);
port.on("message", (bytes: Uint8Array) => writeMessage(stream, bytes));
