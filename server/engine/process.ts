/**
 * One inference process with one pack, replaced when it dies.
 *
 * A crash rejects what was pending with `engine_restarted` and loses all sessions; `onRestart` names them. Calls made
 * while the new process loads wait for it. When several starts in a row fail, calls reject at once with
 * `engine_unavailable`; the starts go on, so that a repaired pack is found.
 */
import { EventEmitter, once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { type EngineChild, startChild } from "./child.js";
import { type Engine, EngineError, type EngineState, type PackSummary } from "./engine.js";
import { costsWithoutMemory, type GraphCosts, sumOfCosts } from "./graph-costs.js";
import type { MethodName, Params, Result } from "./rpc.js";
import { createSessionLedger } from "./session-ledger.js";

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
  log?: EngineLog;
}

/** So many failed starts in a row, after the first one succeeded, make the state `failed`. */
const FAILED_AFTER_STARTS = 3;
const FIRST_DELAY_MS = 100;
/** Each start reads the whole pack, which may be gigabytes. */
const LONGEST_DELAY_MS = 30_000;
/** How long a call waits for a restart: a large pack loads in some tens of seconds. */
const RESTART_WAIT_MS = 60_000;
const silent: EngineLog = { info() {}, warn() {}, error() {} };

/** An engine whose pack stays. */
export type SupervisedEngine = Omit<Engine, "reload">;

/**
 * Starts the inference process and loads a pack.
 * @throws EngineError engine_failed with one sentence that says what is wrong with the pack.
 */
export async function superviseProcess(options: EngineOptions): Promise<SupervisedEngine> {
  const log = options.log ?? silent;
  const load = {
    packDir: options.packDir,
    providers: [...(options.providers ?? ["cpu"])],
    threads: options.threads ?? 0,
  };
  const ledger = createSessionLedger();
  const listeners: ((lostSessionIds: string[]) => void)[] = [];
  const closing = new AbortController();
  /** Emits `failed` when the state becomes `failed`. One listener for each waiting call. */
  const failures = new EventEmitter().setMaxListeners(0);
  const past = { frames: 0, restarts: 0, graphs: {} as GraphCosts };
  let current: EngineChild | undefined;
  let state: EngineState = "starting";
  let reason: string | null = "The inference process loads its model pack.";
  let crashesInARow = 0;
  /** Read anew by each process: the folder may have changed in between. */
  let pack: PackSummary;

  const gone = (reason: string) =>
    closing.signal.aborted
      ? new EngineError("shutting_down", "The server is shutting down.")
      : new EngineError(
          "engine_restarted",
          `The inference process ended (${reason}); start the session again.`,
        );

  /** Resolves when the pack is loaded; a process that fails to do so is ended before this rejects. */
  async function start(): Promise<EngineChild> {
    let loaded = false;
    const child = startChild({
      log: (level, message) => log[level]({ pid: child.pid }, message),
      goneError: (reason) =>
        loaded || closing.signal.aborted
          ? gone(reason)
          : new EngineError(
              "engine_failed",
              `The inference process ended while it loaded the model pack (${reason}).`,
            ),
      exit: (reason) => {
        past.graphs = sumOfCosts(past.graphs, costsWithoutMemory(child.costs()));
        if (current === child) current = undefined;
        if (loaded && !closing.signal.aborted) replace(reason);
      },
    });
    current = child;
    try {
      pack = await child.call("load", load);
      loaded = true;
      state = "ready";
      reason = null;
      log.info(
        { pid: child.pid, pack: pack.id, version: pack.version, provider: pack.provider },
        "model pack loaded",
      );
      return child;
    } catch (error) {
      await child.close();
      throw error;
    }
  }

  function replace(cause: string): void {
    const lost = ledger.loseAll();
    past.restarts += 1;
    state = "restarting";
    reason = `The inference process ended (${cause}) and is being restarted.`;
    log.error({ reason: cause, lostSessions: lost.length }, "the inference process ended; starting another");
    ready = restart();
    // It rejects only when the engine closes.
    ready.catch(() => {});
    for (const listener of listeners) listener(lost);
  }

  /** Tries until a process has loaded the pack or the engine closes. */
  async function restart(): Promise<EngineChild> {
    for (let failedStarts = 0; ; ) {
      const waitMs = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (crashesInARow + failedStarts));
      await delay(waitMs, undefined, { signal: closing.signal }).catch(() => {});
      if (closing.signal.aborted) throw gone("");
      try {
        const child = await start();
        crashesInARow += 1;
        return child;
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
   * @throws EngineError engine_unavailable while the state is `failed`, or after waiting too long for a restart.
   */
  async function running(): Promise<EngineChild> {
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

  let ready = Promise.resolve(await start());

  async function call<M extends MethodName>(method: M, params: Params<M>): Promise<Result<M>> {
    if (closing.signal.aborted) throw gone("");
    const child = await running();
    const result = await child.call(method, params);
    crashesInARow = 0;
    if (method === "prompt" || method === "predict" || method === "step") past.frames += 1;
    return result;
  }

  async function callInSession<M extends MethodName>(
    method: M,
    params: Params<M> & { sessionId: string },
  ): Promise<Result<M>> {
    if (ledger.isLost(params.sessionId)) throw gone("an earlier failure");
    return call(method, params);
  }

  return {
    get pack() {
      return pack;
    },
    async openSession(sessionId, video) {
      if (!ledger.open(sessionId))
        throw new EngineError("session_exists", `The session "${sessionId}" is open.`);
      return await call("openSession", { sessionId, ...video }).catch((error) => {
        ledger.close(sessionId);
        throw error;
      });
    },
    prompt: (sessionId, frame, prompt) => callInSession("prompt", { sessionId, frame, prompt }),
    predict: (sessionId, frame, prompt) => callInSession("predict", { sessionId, frame, prompt }),
    // The step says what went wrong.
    prepare: (sessionId, frame) => void callInSession("prepare", { sessionId, frame }).catch(() => {}),
    step: (sessionId, frameIndex) => callInSession("step", { sessionId, frameIndex }),
    beginPropagation: (sessionId, pass) => callInSession("beginPropagation", { sessionId, pass }),
    fetch: (sessionId, frameIndex) => callInSession("fetch", { sessionId, frameIndex }),
    removeObject: (sessionId, objectId) => callInSession("removeObject", { sessionId, objectId }),
    describeSession: (sessionId) => callInSession("describeSession", { sessionId }),
    resetSession: (sessionId) => callInSession("resetSession", { sessionId }),
    async closeSession(sessionId) {
      const wasOpen = ledger.close(sessionId);
      // A process that is gone has closed it already.
      if (wasOpen) await call("closeSession", { sessionId }).catch(() => {});
    },
    onRestart: (listener) => void listeners.push(listener),
    stats() {
      const graphs = sumOfCosts(past.graphs, current?.costs() ?? {});
      const ortTimeMs = Object.values(graphs).reduce((sum, { ms }) => sum + ms, 0);
      return {
        state,
        reason,
        frames: past.frames,
        restarts: past.restarts,
        ortTimeMs,
        graphs,
        workerPid: current?.pid ?? null,
      };
    },
    async close() {
      closing.abort();
      await current?.close();
    },
  };
}
