/**
 * One inference process with one pack, replaced whenever it ends. Restarts are tried without end, with a capped back-off,
 * so that a repaired pack is loaded. Sessions are rebuilt in the next process, see `supervised-session.ts`.
 */
import { EventEmitter, once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { SERVER_LIMITS } from "../../protocol/limits.js";
import {
  EngineError,
  type EngineSession,
  type EngineState,
  type EngineStats,
  type EngineVideo,
  type PackSummary,
  type SessionHooks,
} from "./engine.js";
import { endWithServer } from "./entry-point.js";
import { costsWithoutMemory, type GraphCosts, secondsByThread, sumOfCosts } from "./graph-costs.js";
import { type InferenceProcess, ProcessEnded, startInferenceProcess } from "./inference-process.js";
import { DEFAULT_RECOVERY, type RecoveryOptions } from "./journal.js";
import { createReplays } from "./replays.js";
import { createSupervisedSession, type SupervisedSession } from "./supervised-session.js";
import { SESSION_VERBS } from "./verbs.js";
import type { WatchdogLimits } from "./watchdog.js";

export interface EngineLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface EngineOptions {
  /** Folder with the pack's manifest.json. */
  packDir: string;
  /** Execution providers in order of preference; default: cpu. */
  providers?: readonly string[];
  /** Threads of each large graph, two of which may run at once; 0 or absent chooses by the machine. */
  threads?: number;
  /** How sessions are rebuilt after the inference process ended; see `journal.ts`. */
  recovery?: Partial<RecoveryOptions>;
  /** When an inference process without progress is replaced; see `watchdog.ts`. */
  watchdog?: Partial<WatchdogLimits>;
  log?: EngineLog;
  /** Ends the first start: the process is killed, and the start rejects with shutting_down. No effect afterwards. */
  signal?: AbortSignal;
}

/** An engine whose pack does not change. */
export interface Supervisor {
  readonly pack: PackSummary;
  /** Open sessions. */
  readonly sessionCount: number;
  open(video: EngineVideo, hooks: SessionHooks, snapshot?: Uint8Array): Promise<EngineSession>;
  stats(): EngineStats;
  close(): Promise<void>;
}

/** This many failed starts in a row, after the first start succeeded, make the state `failed`. */
const FAILED_AFTER_STARTS = 3;
const FIRST_DELAY_MS = 100;
/** Each start reads the whole pack, which may be gigabytes. */
const LONGEST_DELAY_MS = 30_000;
/** How long a call waits for a restart: a large pack loads in some tens of seconds. */
const RESTART_WAIT_MS = 60_000;

export const DEFAULT_WATCHDOG: WatchdogLimits = {
  stallMs: SERVER_LIMITS.engineStallMs.value,
  runTimeoutMs: SERVER_LIMITS.engineRunTimeoutMs.value,
};

const silent: EngineLog = { info() {}, warn() {}, error() {} };

/**
 * Starts the inference process and loads a pack.
 * @param onSessionEnd called after each session that was closed or lost
 * @throws EngineError engine_failed with one sentence about what is wrong with the pack.
 */
export async function superviseProcess(
  options: EngineOptions,
  onSessionEnd: () => void = () => {},
): Promise<Supervisor> {
  const log = options.log ?? silent;
  const load = {
    packDir: options.packDir,
    providers: [...(options.providers ?? ["cpu"])],
    threads: options.threads ?? 0,
  };
  const recovery = { ...DEFAULT_RECOVERY, ...options.recovery };
  const watchdog = { ...DEFAULT_WATCHDOG, ...options.watchdog };
  const prefix = await endWithServer();
  const budget = { usedBytes: 0 };
  const replays = createReplays();
  const sessions = new Set<SupervisedSession>();
  const closing = new AbortController();
  /** Emits `failed` when the state becomes `failed`. One listener for each waiting call. */
  const failures = new EventEmitter().setMaxListeners(0);
  const past = { frames: 0, restarts: 0, graphs: {} as GraphCosts };
  let current: InferenceProcess | undefined;
  let state: EngineState = "starting";
  let reason: string | null = "The inference process loads its model pack.";
  let crashesInARow = 0;
  let nextSession = 1;
  /** Read again by each process: the folder may have changed in between. */
  let pack: PackSummary;

  const shuttingDown = () => new EngineError("shutting_down", "The server is shutting down.");

  /** Resolves when the pack is loaded; a process that cannot load it is ended before this rejects. */
  async function start(): Promise<InferenceProcess> {
    let loaded = false;
    const process = startInferenceProcess(
      {
        log: (level, message) => log[level]({ pid: process.pid }, message),
        stall: (cause) => log.error({ pid: process.pid }, `the inference process is being killed: ${cause}`),
        exit: (cause) => {
          past.graphs = sumOfCosts(past.graphs, costsWithoutMemory(process.costs()));
          if (current === process) current = undefined;
          if (loaded && !closing.signal.aborted) replace(cause);
        },
      },
      watchdog,
      prefix,
    );
    current = process;
    try {
      pack = await process.control("load", load);
    } catch (error) {
      await process.close();
      if (!(error instanceof ProcessEnded)) throw error;
      if (closing.signal.aborted) throw shuttingDown();
      throw new EngineError(
        "engine_failed",
        `The inference process ended while it loaded the model pack (${error.reason}).`,
      );
    }
    loaded = true;
    state = "ready";
    reason = null;
    const { id, version, provider } = pack;
    log.info({ pid: process.pid, pack: id, version, provider }, "model pack loaded");
    return process;
  }

  function replace(cause: string): void {
    past.restarts += 1;
    state = "restarting";
    reason = `The inference process ended (${cause}) and is being restarted.`;
    log.error({ reason: cause, sessions: sessions.size }, "the inference process ended; starting another");
    ready = restart();
    // It rejects only when the engine closes.
    ready.catch(() => {});
    for (const session of [...sessions]) session.processEnded(cause);
  }

  /** Tries until a process has loaded the pack or the engine closes. */
  async function restart(): Promise<InferenceProcess> {
    for (let failedStarts = 0; ; ) {
      const waitMs = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (crashesInARow + failedStarts));
      await delay(waitMs, undefined, { signal: closing.signal }).catch(() => {});
      if (closing.signal.aborted) throw shuttingDown();
      try {
        const process = await start();
        crashesInARow += 1;
        for (const session of [...sessions]) session.recover();
        return process;
      } catch (error) {
        if (closing.signal.aborted) throw error;
        failedStarts += 1;
        const { message } = error as Error;
        log.error({ failedStarts }, `the inference process could not start: ${message}`);
        if (failedStarts < FAILED_AFTER_STARTS) continue;
        state = "failed";
        reason = `The inference process could not be restarted ${failedStarts} times in a row: ${message}`;
        failures.emit("failed");
      }
    }
  }

  /**
   * The process that answers calls.
   * @throws EngineError engine_unavailable while the state is `failed`, or after waiting too long for a restart;
   * shutting_down.
   */
  async function running(): Promise<InferenceProcess> {
    if (closing.signal.aborted) throw shuttingDown();
    if (state === "ready") return ready;
    const unavailable = () => new EngineError("engine_unavailable", reason ?? "The engine is restarting.");
    if (state === "failed") throw unavailable();
    const over = new AbortController();
    const { signal } = over;
    try {
      return await Promise.race([
        ready,
        once(failures, "failed", { signal }).then(() => Promise.reject(unavailable())),
        delay(RESTART_WAIT_MS, undefined, { signal, ref: false }).then(() => Promise.reject(unavailable())),
      ]);
    } finally {
      over.abort();
    }
  }

  const { signal } = options;
  let ready = Promise.resolve(await firstStart());

  async function firstStart(): Promise<InferenceProcess> {
    if (signal?.aborted) throw shuttingDown();
    signal?.addEventListener("abort", close);
    try {
      return await start();
    } finally {
      signal?.removeEventListener("abort", close);
    }
  }

  /** A process that is suspected to have stopped still gets calls: it may continue. */
  function readiness(): Pick<EngineStats, "state" | "reason"> {
    const suspicion = current?.suspicion;
    if (state !== "ready" || suspicion === undefined) return { state, reason };
    return { state: "stalled", reason: `The inference process makes no progress: ${suspicion}.` };
  }

  async function close(): Promise<void> {
    closing.abort();
    await current?.close();
  }

  return {
    get pack() {
      return pack;
    },
    get sessionCount() {
      return sessions.size;
    },
    open(video, hooks, snapshot) {
      const session = createSupervisedSession({
        id: nextSession++,
        video,
        hooks,
        current: () => (state === "ready" ? current : undefined),
        running,
        recovery,
        replays,
        budget,
        ...(snapshot && { snapshot }),
        warn: (message) => log.warn({}, message),
        onAnswer: (verb) => {
          crashesInARow = 0;
          if (SESSION_VERBS[verb].countsAsFrame) past.frames += 1;
        },
        onEnd: () => {
          sessions.delete(session);
          onSessionEnd();
        },
      });
      sessions.add(session);
      return session.open();
    },
    stats() {
      const graphs = sumOfCosts(past.graphs, current?.costs() ?? {});
      return {
        ...readiness(),
        frames: past.frames,
        runSecondsByThread: secondsByThread(graphs),
        processes: 1,
        restarts: past.restarts,
        workerPid: current?.pid ?? null,
        graphs,
      };
    },
    close,
  };
}
