/**
 * Stops a server in order: nothing new is admitted, what runs continues for a bounded time, and the sessions that are still
 * open are saved.
 */
import { setTimeout as delay } from "node:timers/promises";

export interface DrainParts {
  /** How long streams and requests may continue. */
  drainMs: number;
  /** Admits nothing new. @param retryAfterMs when another server is expected to answer, in milliseconds from now */
  refuseNew(retryAfterMs: () => number): void;
  /** Sends clients the time that their work may continue, and the time after which to connect again. */
  announce(endsInMs: number, retryAfterMs: number): void;
  /** True while a request is unanswered or a stream runs. */
  isBusy(): boolean;
  /** Called once when there is something to wait for. */
  onWait?: (() => void) | undefined;
  /** Saves the open sessions. Absent when nothing outlives the server. */
  save?: () => Promise<void>;
  /** Ends the wait for streams and requests. */
  signal?: AbortSignal;
}

/** A new server loads its model pack in some seconds. */
const RESTART_MS = 5_000;
/** Time for saving, which may wait for a call of the engine. */
export const SAVE_MS = 10_000;
const POLL_MS = 50;

/** Resolves when the server may be closed. */
export async function drain(parts: DrainParts): Promise<void> {
  const { drainMs, isBusy, signal } = parts;
  const endsAtMs = performance.now() + drainMs;
  const retryAfterMs = () => Math.max(0, endsAtMs - performance.now()) + RESTART_MS;
  parts.refuseNew(retryAfterMs);
  parts.announce(drainMs, retryAfterMs());
  if (drainMs > 0 && isBusy()) parts.onWait?.();
  while (isBusy() && performance.now() < endsAtMs && !signal?.aborted) {
    await delay(POLL_MS, undefined, signal && { signal }).catch(() => {});
  }
  if (parts.save) await within(SAVE_MS, parts.save());
}

/** Waits for `done`, but not longer than `timeMs`. */
export async function within(timeMs: number, done: Promise<unknown>): Promise<void> {
  const timer = new AbortController();
  await Promise.race([done, delay(timeMs, undefined, { signal: timer.signal }).catch(() => {})]);
  timer.abort();
}
