import { describe, expect, test } from "vitest";
import { createWatchdog, type ProcessSample } from "../../../server/engine/watchdog.js";

const INTERVAL_MS = 1000;
const LIMITS = { stallMs: 15_000, runTimeoutMs: 60_000 };
const START: ProcessSample = {
  nowMs: 0,
  calls: 1,
  isPinged: false,
  messages: 0,
  answers: 0,
  graphRuns: 0,
  cpuMs: 0,
};

/** Judges one sample a second, each changed by `change`, for `seconds` or until the process must be killed. */
function watch(seconds: number, change: (sample: ProcessSample, second: number) => Partial<ProcessSample>) {
  const watchdog = createWatchdog(LIMITS, INTERVAL_MS);
  let sample = START;
  watchdog.judge(sample);
  for (let second = 1; second <= seconds; second++) {
    sample = { ...sample, nowMs: sample.nowMs + INTERVAL_MS };
    sample = { ...sample, ...change(sample, second) };
    const verdict = watchdog.judge(sample);
    if (verdict.state === "kill" || second === seconds) return { second, ...verdict };
  }
  throw new Error("unreachable");
}

describe("a process with a pending call", () => {
  test("is suspected after a third of the limit without answer and CPU time, and killed after the limit", () => {
    expect(watch(4, () => ({})).state).toBe("fine");
    expect(watch(5, () => ({}))).toMatchObject({
      state: "suspect",
      reason: "no answer and no CPU time for 5 s",
    });
    expect(watch(100, () => ({}))).toEqual({
      second: 15,
      state: "kill",
      reason: "no answer and no CPU time for 15 s",
    });
  });

  test("may use the CPU without an answer for as long as one graph run may take", () => {
    const busy = ({ cpuMs }: ProcessSample) => ({ cpuMs: (cpuMs ?? 0) + 10 });
    expect(watch(59, busy).state).toBe("fine");
    expect(watch(100, busy)).toEqual({
      second: 60,
      state: "kill",
      reason: "no call answered and no graph run completed for 60 s",
    });
  });

  test("may run any number of graphs for one call", () => {
    const inChunks = ({ cpuMs, graphRuns, messages }: ProcessSample, second: number) => ({
      cpuMs: (cpuMs ?? 0) + 900,
      ...(second % 50 === 0 && { graphRuns: graphRuns + 1, messages: messages + 1 }),
    });
    expect(watch(1000, inChunks).state).toBe("fine");
  });

  test("is killed when it answers pings but completes no work", () => {
    const pongs = ({ messages }: ProcessSample) => ({ messages: messages + 1 });
    expect(watch(100, pongs)).toMatchObject({ state: "kill", second: 60 });
  });

  test("counts from the last progress", () => {
    const until = (last: number) => (sample: ProcessSample, second: number) =>
      second <= last ? { messages: sample.messages + 1, answers: sample.answers + 1 } : {};
    expect(watch(100, until(40))).toMatchObject({ state: "kill", second: 55 });
  });

  test("has only the longer limit where the CPU time cannot be read", () => {
    const unreadable = () => ({ cpuMs: undefined });
    expect(watch(59, unreadable).state).toBe("fine");
    expect(watch(100, unreadable)).toMatchObject({ state: "kill", second: 60 });
  });
});

describe("an idle process", () => {
  const idle = { calls: 0, isPinged: false };

  test("is never suspected while no answer is awaited", () => {
    expect(watch(1000, () => idle).state).toBe("fine");
  });

  test("is killed when it does not answer a ping", () => {
    const pinged = (_: ProcessSample, second: number) => ({ ...idle, isPinged: second > 30 });
    expect(watch(100, pinged)).toMatchObject({ state: "kill", second: 46 });
  });

  test("that waited long gets its first call with the whole time", () => {
    const late = (_: ProcessSample, second: number) => (second < 500 ? idle : { calls: 1 });
    expect(watch(600, late)).toMatchObject({ state: "kill", second: 515 });
  });
});

describe("a suspension of the watching process itself", () => {
  /** A laptop that sleeps for an hour, or a stop of the whole process group. */
  const suspended = ({ nowMs }: ProcessSample, second: number) =>
    second === 10 ? { nowMs: nowMs + 3_600_000 } : {};

  test("starts both counts anew", () => {
    expect(watch(24, suspended).state).toBe("suspect");
    expect(watch(100, suspended)).toMatchObject({
      second: 25,
      reason: "no answer and no CPU time for 15 s",
    });
  });
});
