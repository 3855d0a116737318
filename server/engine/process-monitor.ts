/**
 * Watches one inference process: samples its progress, and pings it while it sends nothing, so that a process that stops
 * while it is idle is noticed as well.
 */
import { cpuTimeMs } from "./cpu-time.js";
import { createWatchdog, type ProcessSample, type WatchdogLimits } from "./watchdog.js";

export interface ProcessMonitor {
  /** Why the process is suspected to have stopped, as a part of a sentence; undefined while it makes progress. */
  readonly suspicion: string | undefined;
  stop(): void;
}

export interface MonitoredProcess {
  pid: number;
  sample(): Omit<ProcessSample, "nowMs" | "cpuMs" | "isPinged">;
  /** Resolves with the answer; rejects when the process ends. */
  ping(): Promise<unknown>;
}

const SAMPLES_PER_STALL = 8;
/** More often is of no use: the CPU time grows in steps of 10 ms. */
const SHORTEST_INTERVAL_MS = 50;
const LONGEST_INTERVAL_MS = 2_000;

/** @param onStall called once, with a part of a sentence, when the process must be ended */
export function monitorProcess(
  { pid, sample, ping }: MonitoredProcess,
  limits: WatchdogLimits,
  onStall: (reason: string) => void,
): ProcessMonitor {
  const intervalMs = Math.max(
    SHORTEST_INTERVAL_MS,
    Math.min(LONGEST_INTERVAL_MS, limits.stallMs / SAMPLES_PER_STALL),
  );
  const watchdog = createWatchdog(limits, intervalMs);
  let isPinged = false;
  let messagesBefore = -1;
  let suspicion: string | undefined;

  const timer = setInterval(() => {
    const counts = sample();
    const verdict = watchdog.judge({
      ...counts,
      nowMs: performance.now(),
      isPinged,
      cpuMs: cpuTimeMs(pid),
    });
    suspicion = verdict.state === "fine" ? undefined : verdict.reason;
    if (verdict.state === "kill") {
      clearInterval(timer);
      return onStall(verdict.reason);
    }
    if (!isPinged && counts.messages === messagesBefore) {
      isPinged = true;
      const answered = () => {
        isPinged = false;
      };
      ping().then(answered, answered);
    }
    messagesBefore = counts.messages;
  }, intervalMs);
  // The process is a child with an open channel; the monitor alone keeps no program running.
  timer.unref();

  return {
    get suspicion() {
      return suspicion;
    },
    stop: () => clearInterval(timer),
  };
}
