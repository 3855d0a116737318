/** The result of operating a tool: its comparisons, and the exit status that `.ci/tools.mjs` reads. */
import { setTimeout as delay } from "node:timers/promises";

/** The tool could not be installed, started or operated to its end. This can be a matter of the machine. */
const INCOMPLETE = 3;

export function createOutcome(tool: string) {
  const failures: string[] = [];
  const lines: string[] = [];

  /** Runs one part of the test. An error of the tool leaves the part incomplete. */
  async function part(name: string, run: () => Promise<void>): Promise<boolean> {
    try {
      await run();
      return true;
    } catch (error) {
      console.error(error);
      lines.push(`${tool}, ${name}: not completed: ${String((error as Error).message).split("\n")[0]}`);
      process.exitCode ??= INCOMPLETE;
      return false;
    }
  }

  return {
    part,
    check(holds: boolean, sentence: string): void {
      if (!holds) failures.push(sentence);
    },
    report(sentence: string): void {
      lines.push(`${tool}: ${sentence}`);
    },
    /** Prints everything and sets the exit status. */
    finish(): void {
      if (failures.length > 0) {
        lines.push(`${tool} failed:`, ...failures);
        process.exitCode = 1;
      }
      console.log(lines.join("\n"));
    },
  };
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

/** Calls `read` until it returns a value. */
export async function waitFor<T>(
  what: string,
  seconds: number,
  read: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const value = await read();
    if (value !== undefined) return value;
    if (Date.now() > end) throw new Error(`There is no ${what} after ${seconds} seconds.`);
    await delay(500);
  }
}
