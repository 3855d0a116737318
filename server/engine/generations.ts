/**
 * The engine as the main process sees it. Its pack can be replaced while it runs: a second inference process loads the
 * new one beside the first, and only when that has worked do new sessions go there. Sessions stay where they were opened,
 * because what they remember means nothing to another model; the first process ends with the last of them.
 */
import { type Engine, EngineError, type EngineStats } from "./engine.js";
import { costsWithoutMemory, sumOfCosts } from "./graph-costs.js";
import { type EngineOptions, type SupervisedEngine, superviseProcess } from "./process.js";

/**
 * Starts the inference process and loads a pack.
 * @throws EngineError engine_failed with one sentence that says what is wrong with the pack.
 */
export async function createEngine(options: EngineOptions): Promise<Engine> {
  const { log } = options;
  const listeners: ((lostSessionIds: string[]) => void)[] = [];
  /** Where each open session is. */
  const homes = new Map<string, SupervisedEngine>();
  /** Engines that take no new sessions. */
  const retired = new Set<SupervisedEngine>();
  let past: Counts = { frames: 0, restarts: 0, ortTimeMs: 0, graphs: {} };
  let reloading: Promise<unknown> = Promise.resolve();
  let isClosed = false;
  let current = await superviseProcess(options);
  watch(current);

  function watch(engine: SupervisedEngine): void {
    engine.onRestart((lostIds) => {
      if (retired.has(engine)) {
        for (const id of lostIds) homes.delete(id);
        endIfIdle(engine);
      }
      for (const listener of listeners) listener(lostIds);
    });
  }

  function endIfIdle(engine: SupervisedEngine): void {
    if (!retired.has(engine) || [...homes.values()].includes(engine)) return;
    retired.delete(engine);
    const counts = engine.stats();
    past = sum(past, { ...counts, graphs: costsWithoutMemory(counts.graphs) });
    void engine
      .close()
      .then(() => log?.info({ pack: engine.pack.id }, "the former model pack is given back"));
  }

  async function reload() {
    if (isClosed) throw new EngineError("shutting_down", "The server is shutting down.");
    const next = await superviseProcess(options).catch((error: Error) => {
      log?.error({ pack: current.pack.id }, `the model pack stays as it was: ${error.message}`);
      throw error;
    });
    if (isClosed) {
      await next.close();
      throw new EngineError("shutting_down", "The server is shutting down.");
    }
    const former = current;
    current = next;
    watch(next);
    retired.add(former);
    endIfIdle(former);
    const { id, version } = next.pack;
    log?.info({ pack: id, version }, "new sessions run on the model pack as it is now");
    return next.pack;
  }

  const home = (sessionId: string) => homes.get(sessionId) ?? current;

  return {
    get pack() {
      return current.pack;
    },
    async openSession(sessionId, video) {
      const engine = current;
      const before = homes.get(sessionId);
      if (before && before !== engine) {
        throw new EngineError("session_exists", `The session "${sessionId}" is open.`);
      }
      // Set first, so that a reload in the meantime leaves it its process.
      homes.set(sessionId, engine);
      return engine.openSession(sessionId, video).catch((error) => {
        if (before === undefined) homes.delete(sessionId);
        endIfIdle(engine);
        throw error;
      });
    },
    prompt: (sessionId, frame, prompt) => home(sessionId).prompt(sessionId, frame, prompt),
    predict: (sessionId, frame, prompt) => home(sessionId).predict(sessionId, frame, prompt),
    prepare: (sessionId, frame) => home(sessionId).prepare(sessionId, frame),
    step: (sessionId, frameIndex) => home(sessionId).step(sessionId, frameIndex),
    beginPropagation: (sessionId, pass) => home(sessionId).beginPropagation(sessionId, pass),
    fetch: (sessionId, frameIndex) => home(sessionId).fetch(sessionId, frameIndex),
    removeObject: (sessionId, objectId) => home(sessionId).removeObject(sessionId, objectId),
    describeSession: (sessionId) => home(sessionId).describeSession(sessionId),
    resetSession: (sessionId) => home(sessionId).resetSession(sessionId),
    async closeSession(sessionId) {
      const engine = home(sessionId);
      await engine.closeSession(sessionId);
      homes.delete(sessionId);
      endIfIdle(engine);
    },
    reload() {
      // One after the other: the second finds what changed while the first was loading.
      const done = reloading.then(reload);
      reloading = done.catch(() => {});
      return done;
    },
    onRestart: (listener) => void listeners.push(listener),
    stats() {
      const all = [...retired, current].map((engine) => engine.stats()).reduce(sum, past);
      const { state, reason, workerPid } = current.stats();
      return { ...all, state, reason, workerPid };
    },
    async close() {
      isClosed = true;
      await Promise.all([current, ...retired].map((engine) => engine.close()));
    },
  };
}

type Counts = Omit<EngineStats, "workerPid" | "state" | "reason">;

function sum(a: Counts, b: Counts): Counts {
  return {
    frames: a.frames + b.frames,
    restarts: a.restarts + b.restarts,
    ortTimeMs: a.ortTimeMs + b.ortTimeMs,
    graphs: sumOfCosts(a.graphs, b.graphs),
  };
}
