import type { SoakOptions } from "./options.js";
import type { Random } from "./random.js";
import type { Tally } from "./report.js";
import type { SoakServer } from "./server.js";

/** Counts the steps of each worker until it leaves. */
export class Progress {
  private readonly steps = new Map<string, number>();

  step(worker: string): void {
    this.steps.set(worker, (this.steps.get(worker) ?? 0) + 1);
  }

  leave(worker: string): void {
    this.steps.delete(worker);
  }

  /** Returns the workers that have not made a step since then and have not left. */
  startWaiting(): () => string[] {
    const before = new Map(this.steps);
    return () => [...before].flatMap(([worker, count]) => (this.steps.get(worker) === count ? [worker] : []));
  }
}

export interface TaskParts {
  server: SoakServer;
  options: SoakOptions;
  random: Random;
  tally: Tally;
  /** Steps of those whose sessions must be rebuilt after a kill: jobs of owners, batches of messages, frames. */
  progress: Progress;
  /** True when the other tasks have finished: tasks without an end of their own stop. */
  isDone(): boolean;
}

export type Task = (parts: TaskParts) => Promise<void>;

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
