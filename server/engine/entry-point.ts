/**
 * Starts the engine's processes and threads. Compiled code needs no options. Sources need the TypeScript loader, which is
 * resolved here: the started process would search for it from the user's working directory.
 */
import { type ChildProcess, type ForkOptions, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";

const fromSource = import.meta.url.endsWith(".ts");
const locate = (name: string) => new URL(`./${name}.${fromSource ? "ts" : "js"}`, import.meta.url);

export function startProcess(name: "inference-main", options: Omit<ForkOptions, "execArgv">): ChildProcess {
  return fork(fileURLToPath(locate(name)), [], {
    ...options,
    // ONNX Runtime reads the variable in native code; a worker thread cannot set it for native code.
    env: { ...process.env, ORT_DISABLE_TELEMETRY: "1" },
    execArgv: fromSource ? ["--import", import.meta.resolve("tsx")] : [],
  });
}

/** @param start the thread's `workerData` */
export function startThread(name: "graph-thread-main", start: unknown): Worker {
  // `--import` of a loader has no effect in threads. They need no other option of this process.
  const options = { workerData: start, execArgv: [] };
  if (!fromSource) return new Worker(locate(name), options);
  const program = `import(${JSON.stringify(import.meta.resolve("tsx/esm/api"))}).then(({ register }) => {
    register();
    return import(${JSON.stringify(locate(name).href)});
  });`;
  return new Worker(program, { ...options, eval: true });
}
