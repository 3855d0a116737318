import type { Clock } from "../../server/clock.js";

export interface FakeClock extends Clock {
  /** Advances the time, and fires the timers that fall due, in order. */
  advance(ms: number): void;
}

export function createFakeClock(): FakeClock {
  let now = 0;
  const timers = new Set<{ dueMs: number; fire: () => void }>();
  return {
    nowMs: () => now,
    after(delayMs, fire) {
      const timer = { dueMs: now + delayMs, fire };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    advance(ms) {
      const end = now + ms;
      for (;;) {
        const [next] = [...timers].filter(({ dueMs }) => dueMs <= end).sort((a, b) => a.dueMs - b.dueMs);
        if (!next) break;
        timers.delete(next);
        now = next.dueMs;
        next.fire();
      }
      now = end;
    },
  };
}
