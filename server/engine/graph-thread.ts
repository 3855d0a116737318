/** A graph in its own thread: runs one call after the other without blocking this thread. */
import type { Tensor } from "../../detector/graph.js";
import type { PackGraph } from "../packs/pack.js";
import type { GraphInfo } from "../packs/validate.js";
import { startEngineThread } from "./entry-point.js";
import type { GraphOptions, GraphRun, OpenGraph, ProvidersTried } from "./onnx.js";

/** First one `open`, then any number of calls. */
export type ThreadRequest = ThreadOpen | ThreadCall;

export interface ThreadOpen {
  kind: "open";
  graph: PackGraph;
  providers: readonly string[];
  threads: number;
  tried: ProvidersTried;
}

export interface ThreadCall {
  kind: "call";
  id: number;
  inputs: Record<string, Tensor>;
  fetch: readonly string[];
}

/** First any number of warnings, then `opened` or `failed`, then one `answer` or `failure` for each call. */
export type ThreadMessage =
  | { kind: "warning"; message: string }
  | { kind: "opened"; info: GraphInfo; provider: string; tried: ProvidersTried }
  | { kind: "failed"; message: string }
  | { kind: "answer"; id: number; run: GraphRun }
  | { kind: "failure"; id: number; message: string };

interface Waiting {
  resolve: (run: GraphRun) => void;
  reject: (error: Error) => void;
}

export interface GraphThread {
  /**
   * Opens a graph, once, as `openGraph` does. `run` does not block; its inputs are copied to the thread, and its outputs are
   * transferred back.
   */
  open(graph: PackGraph, options: GraphOptions, tried: ProvidersTried): Promise<OpenGraph>;
}

/** Starts a thread that opens and runs one graph. It loads the runtime at once. */
export function startGraphThread(): GraphThread {
  const worker = startEngineThread("graph-thread-main");
  let name: string | undefined;
  let warn: GraphOptions["warn"] = () => {};
  const ask = (request: ThreadRequest) => worker.postMessage(request);
  const waiting = new Map<number, Waiting>();
  let calls = 0;

  const run: OpenGraph["run"] = (inputs, fetch) =>
    new Promise((resolve, reject) => {
      const id = calls++;
      waiting.set(id, { resolve, reject });
      worker.ref();
      ask({ kind: "call", id, inputs, fetch });
    });

  function takeWaiting(id: number): Waiting | undefined {
    const found = waiting.get(id);
    waiting.delete(id);
    // An idle thread keeps no process alive.
    if (waiting.size === 0) worker.unref();
    return found;
  }

  let isOpen = false;
  const opened = new Promise<Extract<ThreadMessage, { kind: "opened" }>>((resolve, reject) => {
    worker.on("message", (message: ThreadMessage) => {
      switch (message.kind) {
        case "warning":
          return warn(message.message);
        case "opened":
          worker.unref();
          isOpen = true;
          return resolve(message);
        case "failed":
          void worker.terminate();
          return reject(new Error(message.message));
        case "answer":
          return takeWaiting(message.id)?.resolve(message.run);
        case "failure":
          return takeWaiting(message.id)?.reject(new Error(message.message));
      }
    });
    const onThreadEnd = (error: Error) => {
      if (!isOpen) return reject(error);
      // No call can be answered without the thread: the process ends here, and the supervisor replaces it.
      throw error;
    };
    worker.on("error", onThreadEnd);
    worker.on("exit", (code) =>
      onThreadEnd(new Error(`The thread ${name ? `of ${name} ` : ""}ended with exit code ${code}.`)),
    );
  });
  // The thread may end before the graph is opened; `open` then reports it.
  opened.catch(() => {});

  // A thread without a graph keeps no process alive.
  worker.unref();

  return {
    async open(graph, options, tried) {
      ({ name } = graph);
      ({ warn } = options);
      worker.ref();
      const { providers, threads } = options;
      ask({ kind: "open", graph, providers, threads, tried });
      const {
        info,
        provider,
        tried: triedThere,
      } = await opened.catch((error: Error) => {
        throw error.message.includes(graph.name) ? error : new Error(`${graph.name}: ${error.message}`);
      });
      for (const [each, works] of triedThere) tried.set(each, works);
      return { ...info, provider, run };
    },
  };
}
