/**
 * The sessions that an adapter has started. Tools leave sessions behind without an end: when an owner has no place for another one, the
 * idle one that was used least recently ends in its favour.
 */
import { ProtocolError } from "../../protocol/index.js";
import type { HostedSession } from "../hosted-session.js";
import type { Predictor } from "../predictor.js";
import type { OwnerId } from "../session-owner.js";

export interface OwnSessions {
  /**
   * Starts a session, which counts as its use.
   * @param begin sends the request that starts it; it is repeated as long as an own session can end in its favour
   * @param limit a lower limit for sessions of a kind
   * @throws ProtocolError session_limit when all places are those of others, and the errors of `begin`
   */
  start<T extends { session_id: string }>(
    owner: OwnerId,
    begin: () => Promise<T>,
    limit?: KindLimit,
  ): Promise<{ started: T; hosted: HostedSession }>;
  /** Of an owner, the least recently used one first. */
  of(owner: OwnerId): HostedSession[];
  /** An open session, which counts as its use; undefined also for a session that another client has started. */
  find(owner: OwnerId, id: string): HostedSession | undefined;
  /** Runs while a session does not count as idle. */
  hold<T>(hosted: HostedSession, work: () => Promise<T>): Promise<T>;
}

export interface KindLimit {
  /** Sessions of one owner. */
  maxOpen: number;
  includes(hosted: HostedSession): boolean;
}

/** @param maxOpen sessions of one owner */
export function createOwnSessions(sessions: Predictor["sessions"], maxOpen: number): OwnSessions {
  /** A number that is higher the later a session was used. */
  const uses = new WeakMap<HostedSession, number>();
  const held = new WeakSet<HostedSession>();
  const all: KindLimit = { maxOpen, includes: () => true };
  let useCount = 0;

  const use = (hosted: HostedSession) => void uses.set(hosted, useCount++);

  const openOnes = (owner: OwnerId) =>
    sessions
      .of(owner)
      .filter((hosted) => uses.has(hosted) && !hosted.hasEnded)
      .sort((a, b) => (uses.get(a) ?? 0) - (uses.get(b) ?? 0));

  /** Returns false when none is idle. */
  async function endOne(owner: OwnerId, { includes }: KindLimit = all): Promise<boolean> {
    const oldest = openOnes(owner).find((hosted) => includes(hosted) && !hosted.isBusy && !held.has(hosted));
    if (!oldest) return false;
    uses.delete(oldest);
    await oldest.close();
    return true;
  }

  return {
    async start(owner, begin, limit = all) {
      for (const one of new Set([limit, all]))
        while (openOnes(owner).filter(one.includes).length >= one.maxOpen && (await endOne(owner, one)));
      for (;;) {
        try {
          const started = await begin();
          const hosted = sessions.find(owner, started.session_id);
          if (!hosted) throw sessions.refusal(started.session_id);
          use(hosted);
          return { started, hosted };
        } catch (error) {
          const isFull = error instanceof ProtocolError && error.code === "session_limit";
          if (!isFull || !(await endOne(owner))) throw error;
        }
      }
    },
    of: openOnes,
    find(owner, id) {
      const hosted = openOnes(owner).find((one) => one.id === id);
      if (hosted) use(hosted);
      return hosted;
    },
    async hold(hosted, work) {
      held.add(hosted);
      try {
        return await work();
      } finally {
        held.delete(hosted);
      }
    },
  };
}
