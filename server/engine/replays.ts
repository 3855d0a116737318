/**
 * The order in which sessions are rebuilt after the inference process has ended: one after the other, and first those for which
 * clients wait. Each session continues as soon as possible, few decoders run at once, and a process that lives for a short time still
 * rebuilds some sessions.
 */
export interface Replays {
  /** @param isAwaited asked each time the next replay is chosen */
  run<T>(isAwaited: () => boolean, replay: () => Promise<T>): Promise<T>;
}

interface Waiting {
  isAwaited: () => boolean;
  start: () => Promise<void>;
}

export function createReplays(): Replays {
  const waiting: Waiting[] = [];
  let isRunning = false;

  async function work(): Promise<void> {
    if (isRunning) return;
    isRunning = true;
    while (waiting.length > 0) {
      const awaited = waiting.findIndex(({ isAwaited }) => isAwaited());
      const [next] = waiting.splice(Math.max(awaited, 0), 1);
      await next?.start();
    }
    isRunning = false;
  }

  return {
    run: (isAwaited, replay) =>
      new Promise((resolve, reject) => {
        const start = () => Promise.resolve().then(replay).then(resolve, reject);
        waiting.push({ isAwaited, start });
        void work();
      }),
  };
}
