/**
 * The engine of the main process. Its pack can be replaced while it runs: a second inference process loads the new
 * pack beside the first, and takes new sessions once that has succeeded. Sessions stay where they were opened, because
 * their memory fits no other model; the first process ends with the last of them.
 */
import { type Engine, EngineError, type EngineStats } from "./engine.js";
import { costsWithoutMemory, secondsByThread, sumOfCosts } from "./graph-costs.js";
import { type EngineOptions, type Supervisor, superviseProcess } from "./supervisor.js";

/**
 * Starts the inference process and loads a pack.
 * @throws EngineError engine_failed with one sentence about what is wrong with the pack.
 */
export async function createEngine(options: EngineOptions): Promise<Engine> {
  const { log } = options;
  /** Supervisors that take no new sessions. */
  const retired = new Set<Supervisor>();
  /** Ends of retired processes that are under way. */
  const ending = new Set<Promise<void>>();
  let past: Counts = { frames: 0, restarts: 0, graphs: {} };
  let reloading: Promise<unknown> = Promise.resolve();
  const closing = new AbortController();
  let current = await superviseProcess(options, endIdle);

  /** Ends the retired processes that no session uses. */
  function endIdle(): void {
    for (const supervisor of retired) {
      if (supervisor.sessionCount > 0) continue;
      retired.delete(supervisor);
      const counts = supervisor.stats();
      past = sum(past, { ...counts, graphs: costsWithoutMemory(counts.graphs) });
      const end = supervisor.close().then(() => {
        ending.delete(end);
        log?.info({ pack: supervisor.pack.id }, "the former model pack is unloaded");
      });
      ending.add(end);
    }
  }

  async function reload() {
    const { signal } = closing;
    const next = await superviseProcess({ ...options, signal }, endIdle).catch((error: Error) => {
      if (!signal.aborted) {
        log?.error({ pack: current.pack.id }, `the model pack stays as it was: ${error.message}`);
      }
      throw error;
    });
    if (signal.aborted) {
      await next.close();
      throw new EngineError("shutting_down", "The server is shutting down.");
    }
    retired.add(current);
    current = next;
    endIdle();
    const { id, version } = next.pack;
    log?.info({ pack: id, version }, "new sessions run on the current content of the pack's folder");
    return next.pack;
  }

  return {
    get pack() {
      return current.pack;
    },
    open: (video, hooks = {}, snapshot) => current.open(video, hooks, snapshot),
    reload() {
      // One after the other: a second reload reads changes that were made during the first.
      const done = reloading.then(reload);
      reloading = done.catch(() => {});
      return done;
    },
    stats() {
      const counts = [...retired, current].map((supervisor) => supervisor.stats()).reduce(sum, past);
      const { state, reason, workerPid } = current.stats();
      return {
        ...counts,
        runSecondsByThread: secondsByThread(counts.graphs),
        processes: 1 + retired.size,
        state,
        reason,
        workerPid,
      };
    },
    async close() {
      closing.abort();
      // A reload ends the process that it starts.
      await Promise.all([reloading, ...ending, ...[current, ...retired].map((one) => one.close())]);
    },
  };
}

type Counts = Pick<EngineStats, "frames" | "restarts" | "graphs">;

function sum(a: Counts, b: Counts): Counts {
  return {
    frames: a.frames + b.frames,
    restarts: a.restarts + b.restarts,
    graphs: sumOfCosts(a.graphs, b.graphs),
  };
}
