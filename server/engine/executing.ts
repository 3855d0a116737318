/** Finds the calls that an inference process was carrying out when it ended. */
import type { TurnHolders } from "./turns.js";

export interface ExecutingCandidate {
  /** The session of the call; null: the process itself. */
  session: number | null;
  /** Whether the process carries out the call in turn with others. Pushes and pings are carried out at once. */
  takesTurn: boolean;
}

/**
 * @param calls those without an answer, the oldest first
 * @param holders the sessions whose turn it was, as far as the process has reported them
 * @returns one call, or two when a session encoded a frame while a graph of another ran. Without a report that fits, the first
 *   call that takes turns
 */
export function findExecuting<Call extends ExecutingCandidate>(
  calls: readonly Call[],
  holders: TurnHolders,
): ReadonlySet<Call> {
  const inTurn = calls.filter(({ takesTurn }) => takesTurn);
  const sessions = new Set([holders.main, holders.encode]);
  const reported = inTurn.filter(({ session }) => session !== null && sessions.has(session));
  if (reported.length > 0) return new Set(reported);
  const first = inTurn[0] ?? calls[0];
  return new Set(first ? [first] : []);
}
