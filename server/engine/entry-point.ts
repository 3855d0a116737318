/** Starts the engine's processes and threads. */
import { type ChildProcess, type ForkOptions, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { locateProgram } from "../child-programs.js";

export function startProcess(name: "inference-main", options: Omit<ForkOptions, "execArgv">): ChildProcess {
  const { url, execArgv } = locateProgram(`./${name}`, import.meta.url);
  return fork(fileURLToPath(url), [], {
    ...options,
    // ONNX Runtime reads the variable in native code; a worker thread cannot set it for native code.
    env: { ...process.env, ORT_DISABLE_TELEMETRY: "1" },
    execArgv,
  });
}

/** @param start the thread's `workerData` */
export function startThread(name: "graph-thread-main" | "channel-thread-main", start?: unknown): Worker {
  // `--import` of a loader has no effect in threads. They need no other option of this process.
  const options = { workerData: start, execArgv: [] };
  const { url, isCompiled } = locateProgram(`./${name}`, import.meta.url);
  if (isCompiled) return new Worker(url, options);
  const program = `import(${JSON.stringify(import.meta.resolve("tsx/esm/api"))}).then(({ register }) => {
    register();
    return import(${JSON.stringify(url.href)});
  });`;
  return new Worker(program, { ...options, eval: true });
}
