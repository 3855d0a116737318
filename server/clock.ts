/** The clock of the sessions. Tests pass one that they advance by hand. */
export interface Clock {
  /** Milliseconds from a fixed but arbitrary moment; never decreases. */
  nowMs(): number;
  /** Calls `fire` once after `delayMs`; the returned function cancels it. */
  after(delayMs: number, fire: () => void): () => void;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  after(delayMs, fire) {
    const timer = setTimeout(fire, delayMs);
    // A pending expiry must not keep the process of a library user running.
    timer.unref();
    return () => clearTimeout(timer);
  },
};
