/** The result of operating a tool: its comparisons, and the exit status that `.ci/tools.mjs` reads. */
import { setTimeout as delay } from "node:timers/promises";

const FAILED = 1;
/** The tool could not be installed, started or operated to its end. This can be a matter of the machine. */
const INCOMPLETE = 3;

/** The tool has the answer of the adapter, and does nothing with it: the answer is wrong. */
export class UnusedAnswer extends Error {}

export function createOutcome(tool: string) {
  const failures: string[] = [];
  const lines: string[] = [];
  const watches: (() => string | undefined)[] = [];
  let isIncomplete = false;

  /** What is wrong with the answers of the adapter. */
  function adapterProblem(): string | undefined {
    for (const watch of watches) {
      const problem = watch();
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  function leaveIncomplete(name: string, reason: string): void {
    lines.push(`${tool}, ${name}: not completed: ${reason}`);
    isIncomplete = true;
  }

  const outcome = {
    /**
     * Runs one part of the test. An error leaves the part incomplete, because machines and networks can be too slow for a tool. When the
     * adapter has not answered, or the tool has not used its answer, the part has failed.
     */
    async part(name: string, run: () => Promise<void>): Promise<boolean> {
      try {
        await run();
        return true;
      } catch (error) {
        console.error(error);
        const [reason = ""] = String((error as Error).message).split("\n");
        const problem = adapterProblem() ?? (error instanceof UnusedAnswer ? reason : undefined);
        if (problem === undefined) leaveIncomplete(name, reason);
        else failures.push(`${name}: ${problem}`);
        return false;
      }
    },
    /** @param problem a sentence when the adapter does not answer, or fails */
    watch(problem: () => string | undefined): void {
      watches.push(problem);
    },
    check(holds: boolean, sentence: string): void {
      if (!holds) failures.push(sentence);
    },
    report(sentence: string): void {
      lines.push(`${tool}: ${sentence}`);
    },
    status: () => (failures.length > 0 ? FAILED : isIncomplete ? INCOMPLETE : 0),
    /** Prints everything and sets the exit status. */
    finish(): void {
      if (failures.length > 0) lines.push(`${tool} failed:`, ...failures);
      process.exitCode = outcome.status();
      console.log(lines.join("\n"));
    },
    /** Ends the process with the status of what was done when `.ci/tools.mjs` has no more time. */
    finishOnSignal(): void {
      process.once("SIGTERM", () => {
        const problem = adapterProblem();
        if (problem === undefined) leaveIncomplete("program", "the time is over");
        else failures.push(problem);
        outcome.finish();
        process.exit();
      });
    },
  };
  return outcome;
}

export type Outcome = ReturnType<typeof createOutcome>;

/** The lowest of several IoUs with the truth. Each must reach `least`. */
export function createComparison({ check }: Outcome, name: string, least: number) {
  let lowest = 1;
  return {
    add(place: string, iou: number): void {
      lowest = Math.min(lowest, iou);
      check(iou >= least, `${name}, ${place}: the IoU with the truth is ${iou.toFixed(3)}.`);
    },
    lowest: () => lowest.toFixed(3),
  };
}

/** Calls `read` until it returns a value. @throws an error of the kind `Failure` */
export async function waitFor<T>(
  what: string,
  seconds: number,
  read: () => Promise<T | undefined> | T | undefined,
  Failure: new (message: string) => Error = Error,
): Promise<T> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const value = await read();
    if (value !== undefined) return value;
    if (Date.now() > end) throw new Failure(`There is no ${what} after ${seconds} seconds.`);
    await delay(500);
  }
}
