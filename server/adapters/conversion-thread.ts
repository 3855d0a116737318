/**
 * Conversions of an adapter in a thread of its own: outlines, brush masks, keyframes and large JSON take time that the thread of the
 * sockets does not have. The thread starts with the first conversion and ends after a time without one.
 */
import { parentPort } from "node:worker_threads";
import { type ErrorBody, ProtocolError } from "../../protocol/index.js";
import { startThread } from "../child-programs.js";
import { createIteratorPort, type IteratorPort } from "../exports/iterator-port.js";

// biome-ignore lint/suspicious/noExplicitAny: the arguments are those of each function
export type Conversions = Readonly<Record<string, (...args: any[]) => unknown>>;

/** @throws ProtocolError that the conversion throws, and Error for a fault of the thread */
export type Convert<C extends Conversions> = <N extends keyof C & string>(
  name: N,
  ...args: Parameters<C[N]>
) => Promise<ReturnType<C[N]>>;

/** Memory of the thread. A request has at most 128 MiB. */
const MAX_HEAP_MIB = 1024;
const IDLE_MS = 60_000;

/**
 * @param program of the thread, which calls {@link serveConversions}; relative to the module that `base` is the URL of
 * @param idleMs the thread ends after this time without a conversion
 */
export function createConversions<C extends Conversions>(
  program: string,
  base: string,
  idleMs = IDLE_MS,
): Convert<C> {
  let port: IteratorPort | undefined;
  let running = 0;
  let idle: NodeJS.Timeout | undefined;
  let end = () => {};

  function start(): IteratorPort {
    const worker = startThread(program, base, { resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MIB } });
    const nothing = () => {
      throw new Error("a conversion reads nothing from this side");
    };
    const started = createIteratorPort(worker, nothing, {
      toWire: String,
      fromWire: (error) =>
        typeof error === "string"
          ? new Error(error)
          : new ProtocolError(
              (error as ErrorBody).code,
              (error as ErrorBody).message,
              (error as ErrorBody).field,
            ),
    });
    const fail = (error: Error) => {
      if (port === started) port = undefined;
      started.fail(error);
    };
    worker.once("error", (error) => fail(error as Error));
    worker.once("exit", () => fail(new Error("the thread of the conversions has ended")));
    // The thread does not keep the process running.
    worker.unref();
    end = () => {
      port = undefined;
      void worker.terminate();
    };
    return started;
  }

  return async (name, ...args) => {
    clearTimeout(idle);
    running++;
    try {
      port ??= start();
      for await (const value of port.remote(name, ...args)) return value as never;
      throw new Error(`the conversion ${name} has no result`);
    } finally {
      running--;
      if (running === 0) idle = setTimeout(() => end(), idleMs).unref();
    }
  };
}

/** Serves conversions in the thread. */
export function serveConversions(conversions: Conversions): void {
  if (!parentPort) throw new Error("This is the entry of a thread; it does nothing on its own.");
  async function* serve(name: string, args: readonly unknown[]) {
    yield conversions[name]?.(...args);
  }
  createIteratorPort(parentPort, serve, {
    toWire: (error) => (error instanceof ProtocolError ? error.toBody() : String((error as Error).stack)),
    fromWire: (error) => new Error(String(error)),
  });
}
