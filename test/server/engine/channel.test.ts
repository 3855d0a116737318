import { spawn } from "node:child_process";
import { once } from "node:events";
import { type Duplex, PassThrough } from "node:stream";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { locateProgram } from "../../../server/child-programs.js";
import { CHANNEL_FD, createMessageReader, writeMessage } from "../../../server/engine/channel.js";

test("messages arrive whole and in order, however the stream is cut", async () => {
  const messages = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(messages, fc.integer({ min: 1, max: 400 }), async (sent, partBytes) => {
      const stream = new PassThrough();
      for (const message of sent) writeMessage(stream, message);
      const all = Buffer.concat(await stream.end().toArray());
      const received: Uint8Array[] = [];
      const read = createMessageReader((bytes) => received.push(bytes));
      for (let at = 0; at < all.length; at += partBytes) read(all.subarray(at, at + partBytes));
      expect(received).toEqual(sent);
    }),
  );
});

/** A process whose main thread starts the thread of the channel, posts `answers` to it, and blocks for ever. */
function blockedProcess(answers: string): Duplex {
  const entryPoint = locateProgram(
    "./entry-point",
    new URL("../../../server/engine/x.ts", import.meta.url).href,
  );
  const program = `import { startThread } from ${JSON.stringify(entryPoint.url.href)};
    const thread = startThread("channel-thread-main");
    thread.once("online", () => {
      for (const answer of ${answers}) thread.postMessage(answer, [answer.buffer]);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`;
  const child = spawn(process.execPath, [...entryPoint.execArgv, "--input-type=module", "--eval", program], {
    stdio: ["ignore", "inherit", "inherit", "ignore", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child.stdio[CHANNEL_FD] as Duplex;
}

/** More than any stream between processes holds. */
const LARGE_BYTES = 32 * 2 ** 20;

test("a process reads and writes messages while its main thread is blocked", async () => {
  const channel = blockedProcess(`[new Uint8Array(${LARGE_BYTES}).fill(7), new Uint8Array([1, 2, 3])]`);
  const received: Uint8Array[] = [];
  channel.on(
    "data",
    createMessageReader((bytes) => {
      received.push(bytes);
      if (received.length === 2) channel.emit("answered");
    }),
  );
  const answered = once(channel, "answered");
  for (let message = 0; message < 3; message++)
    await new Promise<void>((done) => writeMessage(channel, new Uint8Array(LARGE_BYTES), done));
  await answered;
  expect(received.map(({ length }) => length)).toEqual([LARGE_BYTES, 3]);
  expect(received[0]?.every((byte) => byte === 7)).toBe(true);
});
