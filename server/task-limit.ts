export interface TaskLimit {
  /** Runs `task` as soon as fewer than the limit run; tasks that wait start in the order in which they were submitted. */
  run<T>(task: () => Promise<T>): Promise<T>;
}

/** Runs at most `limit` tasks at once. A task that fails makes room for the next. */
export function createTaskLimit(limit: number): TaskLimit {
  const waiting: (() => void)[] = [];
  let running = 0;
  return {
    async run(task) {
      if (running < limit) running++;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      try {
        return await task();
      } finally {
        // A waiting task takes over the place of this one.
        const next = waiting.shift();
        if (next) next();
        else running--;
      }
    },
  };
}
