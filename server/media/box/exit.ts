/** Why a tool in a box ended. */
import { constants } from "node:os";

/** A limit of the box that the tool reached. */
export type ExceededLimit = "memory" | "processor time";

export interface BoxedExit {
  /** Null when a signal ended the tool. */
  code: number | null;
  /** The signal that ended the tool; null when it exited. */
  signal: NodeJS.Signals | null;
  exceeded?: ExceededLimit;
  /** The launcher's own error when it could not start the tool. */
  launchError?: string;
}

/** Signals that end a tool and that a launcher reports as exit code 128 + number. ffmpeg itself exits with none of these. */
const REPORTED: readonly NodeJS.Signals[] = [
  ...(["SIGILL", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL", "SIGSEGV", "SIGSYS", "SIGTERM"] as const),
  ...(["SIGXCPU", "SIGXFSZ"] as const),
];

const MEMORY_FAILED =
  /cannot allocate memory|malloc of size|memory allocation|out of memory|bad_alloc|failed to (?:allocate|create .*thread)/i;

/** ffmpeg catches the signal of the processor time (24) and reports it. */
const TIME_SIGNALLED =
  /received signal 24\b|Received > 3 system signals, hard exiting|CPU time limit exceeded/;

const LAUNCHER_FAILED = /^(?:bwrap|unshare|setpriv|nice|[a-z/]*sh): .*$/m;

/**
 * @param log the last lines of standard error, which also contain the launcher's errors
 * @param isLaunched true when the tool was started by a launcher
 */
export function interpretExit(
  exit: { code: number | null; signal: NodeJS.Signals | null },
  log: string,
  isLaunched: boolean,
): BoxedExit {
  const reported = isLaunched
    ? REPORTED.find((signal) => exit.code === 128 + constants.signals[signal])
    : undefined;
  const signal = exit.signal ?? reported ?? null;
  const code = signal === null ? exit.code : null;
  if (code === 0) return { code, signal };
  if (signal === "SIGXCPU" || TIME_SIGNALLED.test(log)) return { code, signal, exceeded: "processor time" };
  if (MEMORY_FAILED.test(log)) return { code, signal, exceeded: "memory" };
  const launchError = isLaunched && code !== null ? LAUNCHER_FAILED.exec(log)?.[0] : undefined;
  return { code, signal, ...(launchError !== undefined && { launchError }) };
}
