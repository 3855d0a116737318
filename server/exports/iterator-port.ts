/**
 * Async iterators across a `MessagePort`. One side serves iterators by name; the other side pulls their values one by one, so
 * that neither is ahead of the other.
 */
import type { MessagePort, Worker } from "node:worker_threads";

type Port = Pick<MessagePort | Worker, "postMessage"> & {
  on(event: "message", listener: (message: unknown) => void): unknown;
};

interface Call {
  kind: "pull" | "return";
  id: number;
  name: string;
  args: readonly unknown[];
}

type Message =
  | Call
  | { kind: "value"; id: number; value: unknown }
  | { kind: "done"; id: number }
  | { kind: "error"; id: number; error: unknown };

/** Starts the iterator of a name. */
export type Serve = (name: string, args: readonly unknown[]) => AsyncIterable<unknown>;

export interface IteratorPort {
  /** The iterator that the other side serves under a name. */
  remote<T>(name: string, ...args: unknown[]): AsyncIterableIterator<T>;
  /** Rejects everything that waits, and all later calls. */
  fail(error: Error): void;
}

/**
 * @param serve for the other side
 * @param toWire what an error becomes; `fromWire` reads it on the other side
 */
export function createIteratorPort(
  port: Port,
  serve: Serve,
  errors: { toWire(error: unknown): unknown; fromWire(error: unknown): Error },
): IteratorPort {
  const served = new Map<number, AsyncIterator<unknown>>();
  const waiting = new Map<
    number,
    { resolve(result: IteratorResult<unknown>): void; reject(error: Error): void }
  >();
  let nextId = 1;
  let failure: Error | undefined;

  async function answer({ kind, id, name, args }: Call): Promise<void> {
    try {
      const iterator = served.get(id) ?? serve(name, args)[Symbol.asyncIterator]();
      served.set(id, iterator);
      const result = kind === "pull" ? await iterator.next() : await iterator.return?.();
      if (result && !result.done && kind === "pull") {
        const { value } = result;
        const moved = isMovable(value) ? [value.buffer as ArrayBuffer] : [];
        port.postMessage({ kind: "value", id, value } satisfies Message, moved);
        return;
      }
      served.delete(id);
      port.postMessage({ kind: "done", id } satisfies Message);
    } catch (error) {
      served.delete(id);
      port.postMessage({ kind: "error", id, error: errors.toWire(error) } satisfies Message);
    }
  }

  port.on("message", (received) => {
    const message = received as Message;
    if (message.kind === "pull" || message.kind === "return") {
      void answer(message);
      return;
    }
    const one = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.kind === "error") one?.reject(errors.fromWire(message.error));
    else if (message.kind === "value") one?.resolve({ done: false, value: message.value });
    else one?.resolve({ done: true, value: undefined });
  });

  return {
    remote<T>(name: string, ...args: unknown[]) {
      const id = nextId++;
      let isOver = false;
      const call = async (kind: "pull" | "return"): Promise<IteratorResult<T>> => {
        if (isOver) return { done: true, value: undefined };
        if (failure) throw failure;
        const result = new Promise<IteratorResult<unknown>>((resolve, reject) => {
          waiting.set(id, { resolve, reject });
        });
        port.postMessage({ kind, id, name, args } satisfies Message);
        try {
          const answered = (await result) as IteratorResult<T>;
          isOver ||= answered.done === true;
          return answered;
        } catch (error) {
          isOver = true;
          throw error;
        }
      };
      return {
        next: () => call("pull"),
        return: () => (failure ? Promise.resolve({ done: true, value: undefined }) : call("return")),
        [Symbol.asyncIterator]() {
          return this;
        },
      };
    },
    fail(error) {
      failure ??= error;
      for (const { reject } of waiting.values()) reject(failure);
      waiting.clear();
    },
  };
}

/** Chunks that own their memory move to the other side; slices of Node's pool and shared pictures are copied. */
function isMovable(value: unknown): value is Uint8Array {
  return (
    value instanceof Uint8Array && !Buffer.isBuffer(value) && value.byteLength === value.buffer.byteLength
  );
}
