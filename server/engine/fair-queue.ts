/**
 * The order in which sessions use the inference process: start-time fair queueing over two levels, owners before sessions.
 * Pure: it neither waits nor measures time.
 *
 * Every owner has a virtual time, which grows by the time that its jobs take, divided by its weight. The owner with the
 * smallest virtual time is next. In the same way, the session with the smallest virtual time is next among those of one owner.
 * A new owner or session starts at the present virtual time. One that was idle saves up a short time of it, see
 * {@link URGENT_HEAD_START_MS}: a stream is idle for a moment after each frame, and keeps its share all the same.
 *
 * Urgent jobs, for which a person waits, have a head start of virtual time. They come before all other jobs, until their
 * owner has used the process for so much longer than its share. From then on they come as often as its share allows: prompts
 * without end delay the streams of other owners by the head start at most.
 *
 * Source: P. Goyal, H. M. Vin, H. Cheng, "Start-time Fair Queueing", SIGCOMM 1996.
 */

/**
 * A serial resource of the inference process: the thread of the `encode` graph, or the main thread with all other graphs. `detect`
 * runs in a thread of its own, but in turn with those of the main thread.
 */
export type Lane = "encode" | "main";

/**
 * Milliseconds that the urgent jobs of an owner of weight 1 may take beyond its share, and the idle time that an owner saves up.
 * Higher: a longer series of prompts is answered before the streams of others continue. Lower: these streams wait less.
 */
export const URGENT_HEAD_START_MS = 1_000;

/** A session in the queue. */
export interface Member {
  /** Whether a person waits for the session. May change while its jobs wait. */
  isUrgent: boolean;
}

export interface FairQueue<Job> {
  /** @param weight of the owner, above 0; the last one given applies to all its sessions */
  join(owner: string, weight: number): Member;
  /** Removes a session and its waiting jobs. */
  leave(member: Member): void;
  /** Adds a job. The jobs of a session in one lane are carried out in the order in which they were added. */
  add(member: Member, lane: Lane, job: Job): void;
  /** Removes a job that waits. Has no effect on others. */
  remove(member: Member, lane: Lane, job: Job): void;
  /**
   * Takes the next job of a lane that is free. A job that is not urgent also waits for urgent jobs that precede it in the other
   * lane: the lanes share the processor.
   * @returns undefined when no job may start
   */
  take(lane: Lane): { member: Member; job: Job } | undefined;
  /** The job of the lane that was taken last has ended. @param ms time that it took */
  end(lane: Lane, ms: number): void;
}

const LANES = ["encode", "main"] as const;

/** An owner or a session. */
interface Account {
  virtualMs: number;
  /** Number of jobs that wait or run. */
  jobs: number;
}

interface Owner<Job> extends Account {
  weight: number;
  sessions: Set<Session<Job>>;
  /** The virtual time of its sessions. */
  nowMs: number;
}

interface Session<Job> extends Account, Member {
  owner: Owner<Job>;
  waiting: Record<Lane, Waiting<Job>[]>;
}

interface Waiting<Job> {
  job: Job;
  /** Order of arrival. */
  number: number;
}

/** @typeParam Job compared by identity */
export function createFairQueue<Job>(headStartMs = URGENT_HEAD_START_MS): FairQueue<Job> {
  const owners = new Map<string, Owner<Job>>();
  const running: Partial<Record<Lane, Session<Job>>> = {};
  /** The virtual time of the owners. */
  let nowMs = 0;
  let arrivals = 0;

  const allSessions = () => [...owners.values()].flatMap(({ sessions }) => [...sessions]);

  /** The virtual time of an owner in a lane, with the head start of its urgent jobs. */
  function ownerRank({ owner }: Session<Job>, lane: Lane): number {
    const hasUrgent = [...owner.sessions].some(
      (session) => session.isUrgent && (session.waiting[lane].length > 0 || running[lane] === session),
    );
    return owner.virtualMs - (hasUrgent ? headStartMs : 0);
  }

  const sessionRank = ({ virtualMs, isUrgent }: Session<Job>) => virtualMs - (isUrgent ? headStartMs : 0);
  const arrivalOf = ({ waiting }: Session<Job>, lane: Lane) => waiting[lane][0]?.number ?? -1;

  function precedes(a: Session<Job>, laneOfA: Lane, b: Session<Job>, laneOfB: Lane): boolean {
    const lead =
      a.owner === b.owner ? sessionRank(b) - sessionRank(a) : ownerRank(b, laneOfB) - ownerRank(a, laneOfA);
    return lead === 0 ? arrivalOf(a, laneOfA) < arrivalOf(b, laneOfB) : lead > 0;
  }

  /** Whether an urgent job that precedes the session's next job waits or runs in another lane. */
  function isHeld(session: Session<Job>, lane: Lane): boolean {
    if (session.isUrgent) return false;
    return LANES.filter((other) => other !== lane).some((other) =>
      allSessions().some(
        (urgent) =>
          urgent.isUrgent &&
          (urgent.waiting[other].length > 0 || running[other] === urgent) &&
          precedes(urgent, other, session, lane),
      ),
    );
  }

  /** Sets the virtual times to those of the accounts that are furthest behind; they never go back. */
  function advance(): void {
    const furthestBehind = (accounts: readonly Account[], atLeast: number) => {
      const active = accounts.filter(({ jobs }) => jobs > 0).map(({ virtualMs }) => virtualMs);
      return active.length > 0 ? Math.max(atLeast, Math.min(...active)) : atLeast;
    };
    nowMs = furthestBehind([...owners.values()], nowMs);
    for (const owner of owners.values()) owner.nowMs = furthestBehind([...owner.sessions], owner.nowMs);
  }

  /** Forgets owners without sessions, except those that have used more than their share. */
  function forgetUnused(): void {
    for (const [id, { sessions, jobs, virtualMs }] of owners)
      if (sessions.size === 0 && jobs === 0 && virtualMs <= nowMs) owners.delete(id);
  }

  function count(session: Session<Job>, change: number): void {
    session.jobs += change;
    session.owner.jobs += change;
  }

  return {
    join(ownerId, weight) {
      forgetUnused();
      const owner: Owner<Job> = owners.get(ownerId) ?? {
        weight,
        virtualMs: nowMs,
        nowMs: 0,
        jobs: 0,
        sessions: new Set(),
      };
      owner.weight = weight;
      owners.set(ownerId, owner);
      const session: Session<Job> = {
        isUrgent: false,
        virtualMs: owner.nowMs,
        jobs: 0,
        owner,
        waiting: { encode: [], main: [] },
      };
      owner.sessions.add(session);
      return session;
    },

    leave(member) {
      const session = member as Session<Job>;
      for (const lane of LANES) {
        count(session, -session.waiting[lane].length);
        session.waiting[lane] = [];
      }
      session.owner.sessions.delete(session);
      forgetUnused();
    },

    add(member, lane, job) {
      const session = member as Session<Job>;
      const { owner } = session;
      // Those with jobs are not that far behind.
      owner.virtualMs = Math.max(owner.virtualMs, nowMs - headStartMs);
      session.virtualMs = Math.max(session.virtualMs, owner.nowMs - headStartMs);
      session.waiting[lane].push({ job, number: arrivals++ });
      count(session, 1);
    },

    remove(member, lane, job) {
      const session = member as Session<Job>;
      const at = session.waiting[lane].findIndex((waiting) => waiting.job === job);
      if (at < 0) return;
      session.waiting[lane].splice(at, 1);
      count(session, -1);
    },

    take(lane) {
      if (running[lane]) return undefined;
      advance();
      let best: Session<Job> | undefined;
      for (const session of allSessions()) {
        if (session.waiting[lane].length === 0) continue;
        if (!best || precedes(session, lane, best, lane)) best = session;
      }
      if (!best || isHeld(best, lane)) return undefined;
      const { job } = best.waiting[lane].shift() as Waiting<Job>;
      running[lane] = best;
      return { member: best, job };
    },

    end(lane, ms) {
      const session = running[lane];
      if (!session) return;
      delete running[lane];
      session.virtualMs += ms;
      session.owner.virtualMs += ms / session.owner.weight;
      count(session, -1);
      const { owner } = session;
      // Time that no other job waited for is not owed to anyone.
      if (owner.jobs === 0) owner.nowMs = Math.max(owner.nowMs, session.virtualMs);
      if ([...owners.values()].every(({ jobs }) => jobs === 0)) nowMs = Math.max(nowMs, owner.virtualMs);
      advance();
    },
  };
}
