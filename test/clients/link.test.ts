/** When a lost connection is opened again, with a socket class of the test and without real time. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { openLink } from "../../clients/typescript/link.js";
import type { WebSocketClass } from "../../clients/typescript/wire.js";

const sockets: FakeSocket[] = [];

class FakeSocket {
  onopen = () => {};
  onclose: (event: { code: number; reason: string }) => void = () => {};
  onmessage = () => {};
  onerror = () => {};
  binaryType = "";
  constructor() {
    sockets.push(this);
    queueMicrotask(() => this.onopen());
  }
  send() {}
  close() {}
}

const silent = { onText() {}, onBytes() {}, onLost() {}, onOpenAgain() {}, onClose() {} };
const BACKOFF = { maxAttempts: 3, firstDelayMs: 500, maxDelayMs: 1000 };
const open = () =>
  openLink(
    {
      endpoint: { socket: "ws://127.0.0.1:1/v1" },
      webSocket: FakeSocket as unknown as WebSocketClass,
      backoff: BACKOFF,
    },
    silent,
  );

beforeEach(() => {
  vi.useFakeTimers();
  sockets.length = 0;
});
afterEach(() => vi.useRealTimers());

test("connects again after the first delay", async () => {
  await open();
  sockets[0]?.onclose({ code: 1001, reason: "" });
  await vi.advanceTimersByTimeAsync(500);
  expect(sockets).toHaveLength(2);
});

test("does not connect again before the time that the server has named", async () => {
  const link = await open();
  link.waitBeforeReconnect(25_000);
  await vi.advanceTimersByTimeAsync(20_000);
  sockets[0]?.onclose({ code: 1001, reason: "" });
  await vi.advanceTimersByTimeAsync(4999);
  expect(sockets).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(501);
  expect(sockets).toHaveLength(2);
});
