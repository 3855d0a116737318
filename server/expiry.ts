import type { Clock } from "./clock.js";

export interface ExpiryOptions {
  clock: Clock;
  /** Time without use after which `onExpire` is called. */
  timeoutMs: number;
  /** How long before that `onWarning` is called. */
  warningMs: number;
  /** While true, the session counts as used. */
  isBusy: () => boolean;
  onWarning: (expiresInMs: number) => void;
  onExpire: () => void;
}

export interface Expiry {
  /** Marks a use: the timeout starts again. */
  touch(): void;
  /** No callback is called after it. */
  stop(): void;
}

/** Expires one session after a time without use, with one warning before. A use after the warning allows another. */
export function watchExpiry(options: ExpiryOptions): Expiry {
  const { clock, timeoutMs } = options;
  const warningMs = Math.min(options.warningMs, timeoutMs);
  let lastUseMs = clock.nowMs();
  let warned = false;
  let stopped = false;
  let cancel = clock.after(timeoutMs - warningMs, check);

  // `touch` only stores the time, so that it is cheap enough for every frame; the timer reads it when it fires.
  function check(): void {
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
    if (!stopped) cancel = clock.after(warned ? leftMs : leftMs - warningMs, check);
  }

  return {
    touch() {
      lastUseMs = clock.nowMs();
      warned = false;
    },
    stop() {
      stopped = true;
      cancel();
    },
  };
}
