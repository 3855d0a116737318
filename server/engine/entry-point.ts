/** Starts the engine's processes and threads. */
import { type ChildProcess, execFile, type ForkOptions, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Worker } from "node:worker_threads";
import { locateProgram, startThread } from "../child-programs.js";
import { findProgram } from "../programs.js";

/**
 * Settings of the memory allocator of glibc; others ignore them. By default, it raises the size from which blocks are mapped on
 * their own to that of the largest block freed so far. Masks and memories of a session then lie between blocks that stay, and
 * their room is not returned. With a fixed size, a session of 64 objects leaves 60 MB less behind, and the process has 40 MB less
 * from its start. Lower: more returns, and each block costs page faults. At this size they take about 2 % of the processor time.
 */
const MALLOC_SETTINGS = { MALLOC_MMAP_THRESHOLD_: "262144", MALLOC_TRIM_THRESHOLD_: "262144" };

/** The program and the options before a command line that start the command in a certain way; empty: directly. */
export type LaunchPrefix = readonly string[];

const TRIAL_TIMEOUT_MS = 10_000;

/**
 * The prefix with which Linux kills a process when the server has ended, also one that is stopped and cannot end itself. Empty
 * on other systems, and without `setpriv` of util-linux.
 */
export async function endWithServer(): Promise<LaunchPrefix> {
  const setpriv = process.platform === "linux" ? await findProgram("setpriv") : undefined;
  if (setpriv === undefined) return [];
  const [file, ...options] = [setpriv, "--pdeathsig", "KILL", "--"];
  try {
    await promisify(execFile)(file, [...options, file, "--version"], { timeout: TRIAL_TIMEOUT_MS });
    return [file, ...options];
  } catch {
    // The `setpriv` of BusyBox does not have the option.
    return [];
  }
}

export function startProcess(
  name: "inference-main",
  options: Omit<ForkOptions, "execArgv" | "execPath">,
  prefix: LaunchPrefix,
): ChildProcess {
  const { url, execArgv } = locateProgram(`./${name}`, import.meta.url);
  const [execPath = process.execPath, ...rest] = [...prefix, process.execPath, ...execArgv];
  return fork(fileURLToPath(url), [], {
    ...options,
    execPath,
    // Native code reads these variables when the process starts; ONNX Runtime is native code, and a worker thread cannot set one
    // for it.
    env: { ...MALLOC_SETTINGS, ...process.env, ORT_DISABLE_TELEMETRY: "1" },
    execArgv: rest,
  });
}

export const startEngineThread = (name: "graph-thread-main" | "channel-thread-main"): Worker =>
  startThread(`./${name}`, import.meta.url);
