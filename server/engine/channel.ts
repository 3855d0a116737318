/**
 * Calls and their answers between the main process and the inference process. They cross on a stream of their own, which
 * `channel-thread-main.ts` reads and writes in the inference process: a graph blocks the thread that runs it, and in the
 * channel of Node no message would cross meanwhile. A prompt would wait behind a pushed frame for one more graph, and an answer
 * behind a snapshot for many.
 *
 * A message is its length in bytes, uint32 little-endian, and as many bytes of `v8.serialize`.
 */
import type { Writable } from "node:stream";

/** Descriptor of the stream in the inference process, after those of standard input, output, error, and Node's own channel. */
export const CHANNEL_FD = 4;

const LENGTH_BYTES = 4;

/** What the thread of the channel writes: a message, or the snapshot that a call asked for, in parts, after all messages. */
export type OutgoingMessage = Uint8Array | { snapshotOf: number; bytes: Uint8Array };

/** @param done called once the stream has passed on the message or failed */
export function writeMessage(stream: Writable, message: Uint8Array, done: () => void = () => {}): void {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32LE(message.length);
  stream.cork();
  stream.write(length);
  stream.write(message, () => done());
  stream.uncork();
}

/**
 * Assembles the messages of a stream.
 * @param onMessage called with the bytes of each message, which own their buffer
 * @returns receives the parts of the stream in their order, however it is cut
 */
export function createMessageReader(onMessage: (bytes: Uint8Array) => void): (part: Uint8Array) => void {
  const length = new Uint8Array(LENGTH_BYTES);
  /** The message that is being read; undefined while its length is. */
  let message: Uint8Array | undefined;
  /** Bytes of `length` or `message` that are read. */
  let read = 0;

  return (part) => {
    for (let at = 0; at < part.length; ) {
      const target: Uint8Array = message ?? length;
      const taken = part.subarray(at, at + target.length - read);
      target.set(taken, read);
      read += taken.length;
      at += taken.length;
      if (read < target.length) return;
      read = 0;
      if (message) {
        message = undefined;
        onMessage(target);
      } else message = new Uint8Array(new DataView(length.buffer).getUint32(0, true));
    }
  };
}
