import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type Duplex, PassThrough } from "node:stream";
import { deserialize } from "node:v8";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { locateProgram } from "../../../server/child-programs.js";
import { CHANNEL_FD, createMessageReader, writeMessage } from "../../../server/engine/channel.js";
import type { SnapshotPart } from "../../../server/engine/ipc.js";
import { createSnapshotTransfers } from "../../../server/engine/snapshot-transfers.js";

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

/** A process whose main thread starts the thread of the channel, posts `messages` to it, and blocks for ever. */
function blockedProcess(messages: string): { child: ChildProcess; channel: Duplex } {
  const entryPoint = locateProgram(
    "./entry-point",
    new URL("../../../server/engine/x.ts", import.meta.url).href,
  );
  const program = `import { startEngineThread } from ${JSON.stringify(entryPoint.url.href)};
    const thread = startEngineThread("channel-thread-main");
    thread.once("online", () => {
      for (const message of ${messages}) thread.postMessage(message);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`;
  const child = spawn(process.execPath, [...entryPoint.execArgv, "--input-type=module", "--eval", program], {
    stdio: ["ignore", "inherit", "inherit", "ignore", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  return { child, channel: child.stdio[CHANNEL_FD] as Duplex };
}

/** More than any stream between processes holds. */
const LARGE_BYTES = 32 * 2 ** 20;

test("a process reads and writes messages while its main thread is blocked, and messages before snapshots", async () => {
  const { channel } = blockedProcess(
    `[{ snapshotOf: 5, bytes: new Uint8Array(${LARGE_BYTES}).fill(7) }, new Uint8Array([1, 2, 3])]`,
  );
  let arrivedBytes = 0;
  let bytesBeforeMessage = 0;
  const transfers = createSnapshotTransfers();
  const snapshot = transfers.expect(5, LARGE_BYTES);
  channel.on(
    "data",
    createMessageReader((bytes) => {
      if (bytes.length === 3) bytesBeforeMessage = arrivedBytes;
      else transfers.add(deserialize(bytes) as SnapshotPart);
      arrivedBytes += bytes.length;
    }),
  );
  for (let message = 0; message < 3; message++)
    await new Promise<void>((done) => writeMessage(channel, new Uint8Array(LARGE_BYTES), done));
  expect((await snapshot).every((byte) => byte === 7)).toBe(true);
  expect(bytesBeforeMessage).toBeGreaterThan(0);
  expect(bytesBeforeMessage).toBeLessThan(LARGE_BYTES / 2);
});

test("a process whose main thread is blocked ends when the other end of its channel is gone", async () => {
  const { child, channel } = blockedProcess("[new Uint8Array([1])]");
  await once(channel, "data");
  channel.destroy();
  expect(await once(child, "exit")).toEqual([null, "SIGKILL"]);
});

test("a snapshot rejects when the process ends before all parts have arrived", async () => {
  const transfers = createSnapshotTransfers();
  const snapshot = transfers.expect(1, 4);
  transfers.add({ snapshotOf: 1, part: new Uint8Array(3) });
  transfers.fail(new Error("ended"));
  await expect(snapshot).rejects.toThrow("ended");
});
