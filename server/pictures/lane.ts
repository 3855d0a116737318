/** A picture process that is started on demand, with the work that waits for it. */
import type { Clock } from "../clock.js";
import { currentBox } from "../media/box/choose.js";
import type { Launcher } from "../media/box/launchers.js";
import { orAborted } from "../media/or-aborted.js";
import type { OwnerId } from "../session-owner.js";
import type { Work, WorkRules } from "./messages.js";
import { type Outcome, type PictureProcess, startPicture } from "./picture-process.js";
import type { PictureSource } from "./source.js";
import { createTurns } from "./turns.js";

export interface LaneOptions {
  /** Pieces of work that the process does at once. */
  places: number;
  /** Kill the process when a client no longer needs the work in progress: its memory is free at once. */
  endsOnAbort: boolean;
  timing: LaneTiming;
  clock: Clock;
  log: (message: string) => void;
}

export interface LaneTiming {
  /** Work that waits longer fails with server_busy. */
  maxWaitMs: number;
  /** Work that takes longer is ended. */
  workMs: number;
  /** A process without a sign of life for this long while it works is killed. */
  silenceMs: number;
  /** A process without work for this long is ended. */
  idleMs: number;
}

export interface Lane {
  /**
   * @param admit called in turn, before the work starts; returns a function that is called when the work has ended
   * @throws PictureProcessEnded, ProtocolError server_busy, the reason of the signal, or the error of the source
   */
  run<W extends Work>(order: Order<W>, admit: () => Promise<() => void>): Promise<Outcome<W>>;
  /** Process ids, for tests and measurements. */
  readonly pid: number | undefined;
  close(): Promise<void>;
}

export interface Order<W extends Work> {
  owner: OwnerId;
  work: W;
  source: PictureSource;
  rules: WorkRules;
  signal?: AbortSignal;
}

/** Requests of one owner that may wait for a process. */
const MAX_WAITING_PER_OWNER = 256;

export function createLane(options: LaneOptions): Lane {
  const { places, endsOnAbort, timing, clock, log } = options;
  const turns = createTurns({
    ...{ places, clock },
    ...{ maxWaitMs: timing.maxWaitMs, maxWaiting: MAX_WAITING_PER_OWNER },
  });
  let process: PictureProcess | undefined;
  let inProgress = 0;
  let stopIdling = () => {};
  let isClosed = false;

  function running(launcher: Launcher): PictureProcess {
    if (isClosed) throw new Error("the picture processes are closed");
    if (!process || process.isEnded) {
      const started = startPicture({
        silenceMs: timing.silenceMs,
        launcher,
        onEnd(cause, reason) {
          if (cause !== "closed") log(`A picture process ended (${reason}).`);
        },
      });
      process = started;
    }
    return process;
  }

  function idle(): void {
    if (inProgress > 0) return;
    stopIdling();
    stopIdling = clock.after(timing.idleMs, () => void process?.end("closed", "it had no work"));
  }

  async function work<W extends Work>(
    { work, source, rules }: Order<W>,
    current: PictureProcess,
  ): Promise<Outcome<W>> {
    const stopTimer = clock.after(timing.workMs, () => {
      void current.end("time", `a picture took longer than ${timing.workMs} ms`);
    });
    stopIdling();
    inProgress++;
    try {
      return await current.run(work, source, rules);
    } finally {
      inProgress--;
      stopTimer();
      idle();
    }
  }

  return {
    async run(order, admit) {
      const { owner, signal } = order;
      const giveBack = await turns.take(owner, signal);
      let current: PictureProcess | undefined;
      const done = (async () => {
        try {
          const release = await admit();
          try {
            // Node needs more of the file system than bubblewrap shows to a tool.
            const { closedWithFiles } = await currentBox();
            signal?.throwIfAborted();
            current = running(closedWithFiles);
            return await work(order, current);
          } finally {
            release();
          }
        } finally {
          giveBack();
        }
      })();
      // The place stays taken until the work has really ended.
      if (!signal) return await done;
      return await orAborted(done, signal, () => {
        if (endsOnAbort) void current?.end("closed", "the picture is no longer needed");
      });
    },
    get pid() {
      return process?.isEnded ? undefined : process?.pid;
    },
    async close() {
      isClosed = true;
      stopIdling();
      await process?.end("closed", "the server stops");
    },
  };
}
