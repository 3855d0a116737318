import type { Clock } from "./clock.js";

export interface ExpiryOptions {
  clock: Clock;
  /** Time without use after which `onExpire` is called. */
  timeoutMs: number;
  /** How long before that `onWarning` is called. */
  warningMs: number;
  /** While true, time does not count. */
  isBusy: () => boolean;
  onWarning: (expiresInMs: number) => void;
  onExpire: () => void;
}

export interface Expiry {
  /** Starts the wait anew. */
  touch(): void;
  stop(): void;
}

/** Watches one session for disuse: warns once, then expires, unless it is used in between. */
export function watchExpiry(options: ExpiryOptions): Expiry {
  const { clock, timeoutMs } = options;
  const warningMs = Math.min(options.warningMs, timeoutMs);
  let lastUseMs = clock.nowMs();
  let warned = false;
  let callOff = clock.after(timeoutMs - warningMs, look);

  // Use only notes the time; the timer finds out when it fires. So touching costs nothing per frame.
  function look(): void {
    if (options.isBusy()) lastUseMs = clock.nowMs();
    const leftMs = lastUseMs + timeoutMs - clock.nowMs();
    if (leftMs <= 0) {
      options.onExpire();
      return;
    }
    if (leftMs > warningMs) warned = false;
    else if (!warned) {
      warned = true;
      options.onWarning(Math.round(leftMs));
    }
    callOff = clock.after(warned ? leftMs : leftMs - warningMs, look);
  }

  return {
    touch() {
      lastUseMs = clock.nowMs();
      warned = false;
    },
    stop: () => callOff(),
  };
}
