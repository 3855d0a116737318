/** One inference process: started, asked, ended. What to do when it dies is for the caller to say. */
import { createInterface } from "node:readline";
import { EngineError } from "./engine.js";
import { startProcess } from "./entry-point.js";
import type { GraphCosts } from "./graph-costs.js";
import type { MethodName, Params, Result, RpcMessage, RpcRequest } from "./rpc.js";

export interface EngineChild {
  readonly pid: number;
  /** Rejects with the failure the child answered, or with `goneError` when the child ends first. */
  call<M extends MethodName>(method: M, params: Params<M>): Promise<Result<M>>;
  /** As of the last answer. */
  costs(): GraphCosts;
  /** Asks the child to end and kills it after a grace period. Resolves when it is gone. */
  close(): Promise<void>;
}

export interface ChildEvents {
  log: (level: "info" | "warn", message: string) => void;
  /** Called once, when the process is gone, after its pending calls were rejected. */
  exit: (reason: string) => void;
  /** What pending calls are rejected with. */
  goneError: (reason: string) => EngineError;
}

const closeGraceMs = 2_000;
/** Children that still run. The listener is one for all, however many engines there are. */
const alive = new Set<() => void>();
process.on("exit", () => {
  for (const kill of alive) kill();
});

/** Forks the process; it has loaded nothing until it is asked to. */
export function startChild(events: ChildEvents): EngineChild {
  const child = startProcess("worker-main", {
    serialization: "advanced",
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const pending = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  let nextId = 1;
  let costs: GraphCosts = {};
  let gone: string | undefined;
  const kill = () => void child.kill("SIGKILL");
  alive.add(kill);

  // What native code prints belongs in our log: standard output is the program's own.
  for (const stream of [child.stdout, child.stderr]) {
    if (stream) createInterface({ input: stream }).on("line", (line) => events.log("warn", line));
  }

  child.on("message", (message: RpcMessage) => {
    if ("log" in message) return events.log(message.log.level, message.log.message);
    costs = message.costs;
    const waiting = pending.get(message.id);
    pending.delete(message.id);
    if ("error" in message) {
      const { code, message: text, field } = message.error;
      waiting?.reject(new EngineError(code, text, field));
    } else waiting?.resolve(message.result as never);
  });

  const ended = new Promise<void>((resolve) => {
    const end = (reason: string) => {
      if (gone !== undefined) return;
      gone = reason;
      alive.delete(kill);
      for (const { reject } of pending.values()) reject(events.goneError(reason));
      pending.clear();
      events.exit(reason);
      resolve();
    };
    child.once("exit", (code, signal) => end(signal ?? `exit status ${code}`));
    child.on("error", (error) => {
      kill();
      end(error.message);
    });
  });

  return {
    pid: child.pid ?? -1,
    costs: () => costs,
    call(method, params) {
      if (gone !== undefined) return Promise.reject(events.goneError(gone));
      return new Promise((resolve, reject) => {
        const id = nextId++;
        pending.set(id, { resolve, reject });
        // A failed send means that the process is going: its exit rejects this call.
        child.send({ id, method, params } as RpcRequest, () => {});
      });
    },
    async close() {
      if (gone !== undefined) return;
      if (child.connected) child.disconnect();
      const timer = setTimeout(kill, closeGraceMs);
      await ended;
      clearTimeout(timer);
    },
  };
}
