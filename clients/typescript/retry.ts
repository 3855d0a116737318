/** When a request that failed is sent again. */
import { MaskletError } from "./errors.js";

/** The longest pause that a server can ask for. */
const MAX_PAUSE_MS = 60_000;

/** Milliseconds before the same request is sent again: as the server asks, but at least `ownDelayMs`. */
export function pauseBefore(error: MaskletError, ownDelayMs: number): number {
  return Math.max(ownDelayMs, Math.min(error.retryAfterMs ?? 0, MAX_PAUSE_MS));
}

/** Rejects with the signal's reason as soon as it aborts. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    };
    const abort = () => {
      end();
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      end();
      resolve();
    }, ms);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

/**
 * Calls `send` again after errors for which the server names a pause. The list has the shortest pauses.
 * @param onRetry called before each pause
 * @throws the last error
 */
export async function withRetries<T>(
  send: () => Promise<T>,
  delaysMs: readonly number[],
  { signal, onRetry }: { signal?: AbortSignal | undefined; onRetry?: OnRetry | undefined },
): Promise<T> {
  for (const ownDelayMs of delaysMs) {
    try {
      return await send();
    } catch (error) {
      const isTemporary =
        error instanceof MaskletError && error.retryable && error.retryAfterMs !== undefined;
      if (!isTemporary) throw error;
      const delayMs = pauseBefore(error, ownDelayMs);
      onRetry?.(error, delayMs);
      await pause(delayMs, signal);
    }
  }
  return send();
}

/** Receives the error of the last try, and the pause before the next one. */
export type OnRetry = (error: MaskletError, delayMs: number) => void;
