/** Time as the sessions see it; tests pass a clock they move by hand. */
export interface Clock {
  /** Milliseconds from a fixed but arbitrary moment; never goes back. */
  nowMs(): number;
  /** Calls `fire` once after `delayMs`; the returned function calls it off. */
  after(delayMs: number, fire: () => void): () => void;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  after(delayMs, fire) {
    const timer = setTimeout(fire, delayMs);
    // A waiting expiry must not keep a program alive that is otherwise done with the predictor.
    timer.unref();
    return () => clearTimeout(timer);
  },
};
