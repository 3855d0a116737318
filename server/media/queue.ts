/** A queue with one consumer. */
export interface Queue<T> {
  push(value: T): void;
  /** No more values follow. */
  end(): void;
  /** The next value in order, or undefined once the queue has ended and is empty. */
  next(): Promise<T | undefined>;
}

export function createQueue<T>(): Queue<T> {
  const values: T[] = [];
  let ended = false;
  let wake = () => {};
  return {
    push(value) {
      values.push(value);
      wake();
    },
    end() {
      ended = true;
      wake();
    },
    async next() {
      while (values.length === 0 && !ended) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return values.shift();
    },
  };
}
