/** The least rate of a body: a sender that keeps its place with a byte now and then is ended. */
import { FIXED_LIMITS } from "../../protocol/limits.js";
import type { Clock } from "../clock.js";

export interface PaceOptions {
  /** 0 permits any rate. */
  minBytesPerS: number;
  clock: Clock;
  /** Called once, while a chunk is awaited. The body should then fail. */
  onTooSlow(): void;
}

/**
 * Passes the chunks of a body on. A sender may fall `FIXED_LIMITS.uploadLagMs` behind the least rate; bytes that arrive
 * faster make up for it. Only the time in which a chunk is awaited counts: while the consumer writes to a slow disk nothing
 * is read, and the sender cannot send.
 */
export async function* paced(
  body: AsyncIterable<Uint8Array>,
  { minBytesPerS, clock, onTooSlow }: PaceOptions,
): AsyncGenerator<Uint8Array> {
  if (minBytesPerS === 0) return yield* body;
  const maxLagMs = FIXED_LIMITS.uploadLagMs.value;
  let leftMs: number = maxLagMs;
  let stopTimer = () => {};
  const startTimer = () => {
    const sinceMs = clock.nowMs();
    const cancel = clock.after(Math.max(0, leftMs), onTooSlow);
    stopTimer = () => {
      cancel();
      leftMs -= clock.nowMs() - sinceMs;
      stopTimer = () => {};
    };
  };
  try {
    startTimer();
    for await (const chunk of body) {
      stopTimer();
      leftMs = Math.min(maxLagMs, leftMs + (chunk.length * 1000) / minBytesPerS);
      yield chunk;
      startTimer();
    }
  } finally {
    stopTimer();
  }
}
