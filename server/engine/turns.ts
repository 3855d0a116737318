/**
 * Turns at the inference process. Sessions run at the same time and interleave at their turns: a turn is the right to run one
 * graph, or the code up to the next one. `fair-queue.ts` decides which session is next.
 *
 * Decisions are made after the event loop has read messages, so that calls that arrived while a graph blocked this thread take
 * part in them.
 */
import { createFairQueue, type Lane } from "./fair-queue.js";

/** The sessions whose turn it is, by their numbers. */
export type TurnHolders = Readonly<Partial<Record<Lane, number>>>;

/** The turns of one session. */
export interface SessionTurns {
  /** Whether a person waits for the session's call. */
  isUrgent: boolean;
  /** Once it is aborted, turns of the main lane reject with its reason. Those of the other lane may be for a later call. */
  signal: AbortSignal | undefined;
  /**
   * Waits for a turn of the lane, and carries out `work` in it.
   * @param msOf the time that `work` took in another thread, in milliseconds
   * @throws the reason of `signal`; the errors of `work`
   */
  take<T>(lane: Lane, work: () => Promise<T>, msOf?: (result: T) => number): Promise<T>;
  /** Waits for a turn of the main lane. It lasts until the next `take` or `pause`, and must not wait for anything else. */
  pause(): Promise<void>;
  /** Removes the session. Work that still waits is never carried out. */
  leave(): void;
}

export interface Turns {
  /**
   * @param number identifies the session in `TurnHolders`
   * @param owner owners share the process by their weights, sessions of one owner equally
   */
  join(number: number, owner: string, weight: number): SessionTurns;
}

interface Job {
  number: number;
  start(): void;
}

/** @param onHolders called when the holders change, before the turn starts */
export function createTurns(onHolders: (holders: TurnHolders) => void = () => {}): Turns {
  const queue = createFairQueue<Job>();
  const turns: Partial<Record<Lane, { number: number; startMs: number }>> = {};
  let holders: TurnHolders = {};
  let isMainOver = false;
  let isPlanned = false;

  function plan(): void {
    if (isPlanned) return;
    isPlanned = true;
    setImmediate(decide);
  }

  function decide(): void {
    isPlanned = false;
    // Code that follows a graph belongs to its turn, so the turn is measured here.
    if (isMainOver) end("main");
    const startMs = performance.now();
    const next = (["encode", "main"] as const).flatMap((lane) => {
      const taken = queue.take(lane);
      if (!taken) return [];
      turns[lane] = { number: taken.job.number, startMs };
      return [taken.job];
    });
    const before = holders;
    const { encode, main } = turns;
    holders = { ...(encode && { encode: encode.number }), ...(main && { main: main.number }) };
    if (holders.encode !== before.encode || holders.main !== before.main) onHolders(holders);
    for (const job of next) job.start();
  }

  function end(lane: Lane, ms?: number): void {
    const turn = turns[lane];
    if (!turn) return;
    delete turns[lane];
    if (lane === "main") isMainOver = false;
    queue.end(lane, ms ?? performance.now() - turn.startMs);
  }

  return {
    join(number, owner, weight) {
      const member = queue.join(owner, weight);
      let signal: AbortSignal | undefined;

      function turn(lane: Lane): Promise<void> {
        return new Promise((resolve, reject) => {
          const observed = lane === "main" ? signal : undefined;
          if (observed?.aborted) return reject(observed.reason);
          const job: Job = {
            number,
            start() {
              observed?.removeEventListener("abort", abort);
              resolve();
            },
          };
          function abort() {
            queue.remove(member, lane, job);
            reject(observed?.reason);
          }
          observed?.addEventListener("abort", abort, { once: true });
          queue.add(member, lane, job);
          plan();
        });
      }

      function over(lane: Lane, ms?: number): void {
        if (lane === "main") isMainOver = true;
        else end(lane, ms);
        plan();
      }

      return {
        get isUrgent() {
          return member.isUrgent;
        },
        set isUrgent(isUrgent) {
          member.isUrgent = isUrgent;
        },
        get signal() {
          return signal;
        },
        set signal(replacement) {
          signal = replacement;
        },
        async take(lane, work, msOf) {
          await turn(lane);
          let ms: number | undefined;
          try {
            const result = await work();
            ms = msOf?.(result);
            return result;
          } finally {
            over(lane, ms);
          }
        },
        async pause() {
          await turn("main");
          over("main");
        },
        leave: () => queue.leave(member),
      };
    },
  };
}
