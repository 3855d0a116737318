/**
 * Decides from samples whether a process makes progress. Pure: the caller supplies the time and the samples, see
 * `process-monitor.ts`.
 *
 * A graph may block the process for a minute without any message, but it uses the CPU. A process that was stopped, is
 * deadlocked or has all of its memory swapped out neither answers nor uses the CPU. An endless loop uses the CPU but never
 * completes its graph run.
 */

export interface WatchdogLimits {
  /** Longest time without a message and without CPU time, while an answer is awaited. */
  stallMs: number;
  /** Longest time of one graph run, and of waiting calls without an answer to any of them. */
  runTimeoutMs: number;
}

export interface ProcessSample {
  nowMs: number;
  /** Calls that are not answered, without pings. */
  calls: number;
  /** A ping that is not answered. */
  isPinged: boolean;
  /** Messages received so far, answers to pings included. */
  messages: number;
  /** Answers to calls received so far, pings excluded. */
  answers: number;
  /** Graph runs completed so far, as the last message reports them. */
  graphRuns: number;
  /** CPU time of all threads; undefined where the system does not report it. */
  cpuMs: number | undefined;
}

/** `suspect`: no progress for a third of the limit. `kill`: the process must be ended. */
export type Verdict = { state: "fine" } | { state: "suspect" | "kill"; reason: string };

export interface Watchdog {
  judge(sample: ProcessSample): Verdict;
}

/** A pause between two samples that is so many times longer than planned means that this process was suspended itself. */
const SUSPENDED_INTERVALS = 3;
const SUSPECT_SHARE = 1 / 3;
const FINE: Verdict = { state: "fine" };

/** @param intervalMs planned time between two samples */
export function createWatchdog({ stallMs, runTimeoutMs }: WatchdogLimits, intervalMs: number): Watchdog {
  let last: ProcessSample | undefined;
  /** Time of the last message, of the last growth of the CPU time, or since when an answer is awaited. */
  let progressAtMs = 0;
  /** Time of the last answer to a call, of the last completed graph run, or since when calls wait. */
  let runProgressAtMs = 0;

  function update(now: ProcessSample, before: ProcessSample | undefined): void {
    const wasSuspended = before && now.nowMs - before.nowMs > intervalMs * SUSPENDED_INTERVALS;
    if (!before || wasSuspended) {
      progressAtMs = now.nowMs;
      runProgressAtMs = now.nowMs;
      return;
    }
    const hasUsedCpu = now.cpuMs !== undefined && now.cpuMs > (before.cpuMs ?? 0);
    const isIdle = now.calls === 0 && !now.isPinged;
    const wasIdle = before.calls === 0 && !before.isPinged;
    if (isIdle || wasIdle || hasUsedCpu || now.messages > before.messages) progressAtMs = now.nowMs;
    const hasRun = now.answers > before.answers || now.graphRuns > before.graphRuns;
    if (isIdle || wasIdle || hasRun) runProgressAtMs = now.nowMs;
  }

  return {
    judge(sample) {
      update(sample, last);
      last = sample;
      const stalledMs = sample.nowMs - progressAtMs;
      const runMs = sample.nowMs - runProgressAtMs;
      if (runMs >= runTimeoutMs) {
        return {
          state: "kill",
          reason: `no call answered and no graph run completed for ${inSeconds(runMs)}`,
        };
      }
      // Without the CPU time, a graph run cannot be told from a stop: only the longer limit applies.
      if (sample.cpuMs === undefined || stalledMs < stallMs * SUSPECT_SHARE) return FINE;
      const reason = `no answer and no CPU time for ${inSeconds(stalledMs)}`;
      return { state: stalledMs >= stallMs ? "kill" : "suspect", reason };
    },
  };
}

const inSeconds = (ms: number) => `${Math.round(ms / 100) / 10} s`;
