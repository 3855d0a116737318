/** Who is served next when a place becomes free. */
import type { HolderId } from "./holder.js";

export interface Waiter {
  holder: HolderId;
  weight: number;
  amount: number;
  /** Served before waiters that are not urgent. */
  isUrgent: boolean;
  sinceMs: number;
}

/** The part of a share that is in use. */
export interface Usage {
  heldBy(holder: HolderId): number;
  readonly total: number;
  readonly maxPerHolder: number;
  readonly maxTotal: number;
}

/** A waiter that needs a large part is passed by those that need a small one, but not for longer than this. */
export const PASSED_AT_MOST_MS = 5000;

/**
 * The waiter to serve now, or undefined when none of them fits. Urgent waiters are first; then those of the holder that has
 * the least in relation to its weight; then the one that has waited longest.
 *
 * @param waiters in the order in which they came
 */
export function nextWaiter<T extends Waiter>(
  waiters: readonly T[],
  usage: Usage,
  nowMs: number,
): T | undefined {
  const { maxPerHolder, maxTotal } = usage;
  const mayHold = ({ holder, amount }: Waiter) => usage.heldBy(holder) + amount <= maxPerHolder;
  const starving = waiters.find((waiter) => nowMs - waiter.sinceMs >= PASSED_AT_MOST_MS && mayHold(waiter));
  const candidates = (starving ? [starving] : waiters).filter(
    (waiter) => mayHold(waiter) && usage.total + waiter.amount <= maxTotal,
  );
  const part = ({ holder, weight }: Waiter) => usage.heldBy(holder) / weight;
  let best: T | undefined;
  for (const waiter of candidates) {
    if (best && best.isUrgent !== waiter.isUrgent) {
      if (waiter.isUrgent) best = waiter;
    } else if (!best || part(waiter) < part(best)) best = waiter;
  }
  return best;
}
