/**
 * How the engine's processes and threads begin. Built code is started as it is; sources need the loader that this program
 * runs with, which is resolved here, because whoever is started would look for it from the user's working directory.
 */
import { type ChildProcess, type ForkOptions, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";

const fromSource = import.meta.url.endsWith(".ts");
const locate = (name: string) => new URL(`./${name}.${fromSource ? "ts" : "js"}`, import.meta.url);

export function startProcess(name: "worker-main", options: Omit<ForkOptions, "execArgv">): ChildProcess {
  return fork(fileURLToPath(locate(name)), [], {
    ...options,
    execArgv: fromSource ? ["--import", import.meta.resolve("tsx")] : [],
  });
}

/** @param start what the thread finds as `workerData` */
export function startThread(name: "graph-thread-main", start: unknown): Worker {
  // Threads do not take `--import` of a loader, nor need the options of this process.
  const options = { workerData: start, execArgv: [] };
  if (!fromSource) return new Worker(locate(name), options);
  const program = `import(${JSON.stringify(import.meta.resolve("tsx/esm/api"))}).then(({ register }) => {
    register();
    return import(${JSON.stringify(locate(name).href)});
  });`;
  return new Worker(program, { ...options, eval: true });
}
