/** A graph in its own thread: runs one call after the other without blocking this thread. */
import type { Tensor } from "../../detector/graph.js";
import type { PackGraph } from "../packs/pack.js";
import type { GraphInfo } from "../packs/validate.js";
import { startEngineThread } from "./entry-point.js";
import type { GraphOptions, GraphRun, OpenGraph, ProvidersTried } from "./onnx.js";

/** The thread's `workerData`. */
export interface ThreadStart {
  graph: PackGraph;
  providers: readonly string[];
  threads: number;
  tried: ProvidersTried;
}

export interface ThreadCall {
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

/** As `openGraph`, but `run` does not block. Inputs are copied to the thread; outputs are transferred back. */
export function openGraphInThread(
  graph: PackGraph,
  { providers, threads, warn }: GraphOptions,
  tried: ProvidersTried,
): Promise<OpenGraph> {
  const worker = startEngineThread("graph-thread-main", {
    graph,
    providers,
    threads,
    tried,
  } satisfies ThreadStart);
  const waiting = new Map<number, Waiting>();
  let calls = 0;
  let isOpen = false;

  const run: OpenGraph["run"] = (inputs, fetch) =>
    new Promise((resolve, reject) => {
      const id = calls++;
      waiting.set(id, { resolve, reject });
      worker.ref();
      worker.postMessage({ id, inputs, fetch } satisfies ThreadCall);
    });

  function takeWaiting(id: number): Waiting | undefined {
    const found = waiting.get(id);
    waiting.delete(id);
    // An idle thread keeps no process alive.
    if (waiting.size === 0) worker.unref();
    return found;
  }

  return new Promise((resolve, reject) => {
    worker.on("message", (message: ThreadMessage) => {
      switch (message.kind) {
        case "warning":
          return warn(message.message);
        case "opened":
          for (const [provider, works] of message.tried) tried.set(provider, works);
          worker.unref();
          isOpen = true;
          return resolve({ ...message.info, provider: message.provider, run });
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
      onThreadEnd(new Error(`The thread of ${graph.name} ended with exit code ${code}.`)),
    );
  });
}
