import type { SoakOptions } from "./options.js";
import type { Random } from "./random.js";
import type { Tally } from "./report.js";
import type { SoakServer } from "./server.js";

export interface TaskParts {
  server: SoakServer;
  options: SoakOptions;
  random: Random;
  tally: Tally;
  /** Jobs that each owner at work has finished. */
  jobs: Map<string, number>;
  /** True when the other tasks have finished: tasks without an end of their own stop. */
  isDone(): boolean;
}

export type Task = (parts: TaskParts) => Promise<void>;

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
