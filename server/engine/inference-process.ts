/** One inference process: its start, its calls, its end. The supervisor decides what happens when it ends. */
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Duplex } from "node:stream";
import { deserialize, serialize } from "node:v8";
import { CHANNEL_FD, createMessageReader, writeMessage } from "./channel.js";
import { EngineError } from "./engine.js";
import { type LaunchPrefix, startProcess } from "./entry-point.js";
import { type ExecutingCandidate, findExecuting } from "./executing.js";
import type { GraphCosts } from "./graph-costs.js";
import type {
  IpcNotice,
  IpcReply,
  IpcRequest,
  ProcessNotice,
  ProcessVerb,
  ProcessVerbs,
  SnapshotPart,
} from "./ipc.js";
import { createOutbox } from "./outbox.js";
import { monitorProcess } from "./process-monitor.js";
import { createSnapshotTransfers } from "./snapshot-transfers.js";
import type { TurnHolders } from "./turns.js";
import { SESSION_VERBS, type SessionVerb, type VerbParams, type VerbResult } from "./verbs.js";
import type { WatchdogLimits } from "./watchdog.js";

export interface InferenceProcess {
  readonly pid: number;
  /** Why the process is suspected to have stopped, as a part of a sentence; undefined while it makes progress. */
  readonly suspicion: string | undefined;
  /** Rejects with the failure that the process reports, or with ProcessEnded when it ends first. */
  call<V extends SessionVerb>(
    session: number,
    verb: V,
    params: VerbParams<V>,
    signal?: AbortSignal,
  ): Promise<VerbResult<V>>;
  /** The call of the session that is in progress is urgent from now on: a person waits for the next one. */
  hurry(session: number): void;
  /** As `call`, for the process itself. */
  control<V extends Exclude<ProcessVerb, "snapshot">>(
    verb: V,
    params: ProcessVerbs[V]["params"],
  ): Promise<ProcessVerbs[V]["result"]>;
  /** As `control`. Resolves when the snapshot was made: from then on calls may change the session. */
  snapshot(params: ProcessVerbs["snapshot"]["params"]): Promise<ArrivingSnapshot>;
  /** As of the last answer. */
  costs(): GraphCosts;
  /** Asks the process to end and kills it after a grace period. Resolves when it is gone. */
  close(): Promise<void>;
}

export interface ArrivingSnapshot {
  /** Absent when there are more than `maxBytes`. Rejects with ProcessEnded when the process ends before all have arrived. */
  bytes?: Promise<Uint8Array>;
  /** Time that it took to make, in milliseconds. */
  ms: number;
}

export interface ProcessEvents {
  log: (level: "info" | "warn", message: string) => void;
  /** Called once, when the process is gone, after its pending calls were rejected. */
  exit: (reason: string) => void;
  /** The process made no progress and is being killed. @param reason a part of a sentence */
  stall: (reason: string) => void;
}

/** The inference process ended before it answered. */
export class ProcessEnded extends Error {
  override readonly name = "ProcessEnded";

  /**
   * @param reason the signal, the exit status, or why the process was ended
   * @param wasExecuting whether the process was carrying out this call
   */
  constructor(
    readonly reason: string,
    readonly wasExecuting: boolean,
  ) {
    super(`The inference process ended (${reason}).`);
  }
}

const CLOSE_GRACE_MS = 2_000;
/** A process that waits for a broken disk ends only when the disk answers. Another one is started meanwhile. */
const KILL_GRACE_MS = 5_000;
/** Kills each process that still runs. One exit listener serves all engines. */
const running = new Set<() => void>();
process.on("exit", () => {
  for (const kill of running) kill();
});

interface PendingCall extends ExecutingCandidate {
  isPing: boolean;
  resolve: (value: never) => void;
  reject: (error: Error) => void;
}

/** Forks the process; it loads no pack before its `load` call. A process without progress is killed. */
export function startInferenceProcess(
  events: ProcessEvents,
  limits: WatchdogLimits,
  prefix: LaunchPrefix,
): InferenceProcess {
  const child = startProcess("inference-main", { stdio: ["ignore", "pipe", "pipe", "ipc", "pipe"] }, prefix);
  /** Absent when the process could not be started. */
  const channel = child.stdio[CHANNEL_FD] as Duplex | null | undefined;
  // A failed write means that the process is ending: its exit rejects the calls.
  channel?.on("error", () => {});
  const pending = new Map<number, PendingCall>();
  let nextId = 1;
  let costs: GraphCosts = {};
  let holders: TurnHolders = {};
  const transfers = createSnapshotTransfers();
  const received = { messages: 0, answers: 0 };
  let endReason: string | undefined;
  const kill = () => void child.kill("SIGKILL");
  running.add(kill);

  // Native code prints to standard output, which belongs to the program that uses the engine.
  for (const stream of [child.stdout, child.stderr]) {
    if (stream) createInterface({ input: stream }).on("line", (line) => events.log("warn", line));
  }

  child.on("message", (notice: ProcessNotice) => {
    received.messages += 1;
    if ("log" in notice) events.log(notice.log.level, notice.log.message);
    else holders = notice.turns;
  });

  function onReply(reply: IpcReply): void {
    costs = reply.costs;
    const call = pending.get(reply.id);
    pending.delete(reply.id);
    if (!call?.isPing) received.answers += 1;
    if ("error" in reply) {
      const { code, message, field } = reply.error;
      call?.reject(new EngineError(code, message, field));
    } else if (reply.snapshotBytes !== undefined) {
      const bytes = transfers.expect(reply.id, reply.snapshotBytes);
      call?.resolve({ ...reply.result, bytes } as never);
    } else call?.resolve(reply.result as never);
  }
  channel?.on(
    "data",
    createMessageReader((bytes) => {
      const message = deserialize(bytes) as IpcReply | SnapshotPart;
      received.messages += 1;
      if ("part" in message) transfers.add(message);
      else onReply(message);
    }),
  );

  let stallReason: string | undefined;
  let end: (reason: string) => void = () => {};
  const ended = new Promise<void>((resolve) => {
    end = (reason) => {
      if (endReason !== undefined) return;
      endReason = stallReason ?? reason;
      running.delete(kill);
      monitor.stop();
      const executing = findExecuting(
        [...pending.values()].filter(({ isPing }) => !isPing),
        holders,
      );
      for (const call of pending.values()) call.reject(new ProcessEnded(endReason, executing.has(call)));
      pending.clear();
      transfers.fail(new ProcessEnded(endReason, false));
      events.exit(endReason);
      resolve();
    };
    child.once("exit", (code, signal) => {
      // The last messages are read before the channels close.
      const closed = [
        child.connected && once(child, "disconnect"),
        channel && !channel.destroyed && once(channel, "close"),
      ];
      void Promise.allSettled(closed).then(() => end(signal ?? `exit status ${code}`));
    });
    child.on("error", (error) => {
      kill();
      end(error.message);
    });
  });

  function write(message: IpcRequest | IpcNotice, done?: () => void): void {
    if (channel) writeMessage(channel, serialize(message), done);
  }
  const outbox = createOutbox(write);

  function send(request: Omit<IpcRequest, "id">, takesTurn: boolean, signal?: AbortSignal): Promise<never> {
    if (endReason !== undefined) return Promise.reject(new ProcessEnded(endReason, false));
    const id = nextId++;
    const session = request.session ?? sessionOf(request.params);
    const cancel = () => outbox.send({ cancel: id }, { session, isUrgent: true });
    signal?.addEventListener("abort", cancel, { once: true });
    const answer = new Promise<never>((resolve, reject) => {
      pending.set(id, { session, takesTurn, isPing: request.verb === "ping", resolve, reject });
      const isUrgent = request.session === null || SESSION_VERBS[request.verb as SessionVerb].isUrgent;
      outbox.send({ ...request, id } as IpcRequest, { session, isUrgent });
    });
    return signal ? answer.finally(() => signal.removeEventListener("abort", cancel)) : answer;
  }

  function endStalled(reason: string): void {
    stallReason = reason;
    events.stall(reason);
    kill();
    setTimeout(() => end(reason), KILL_GRACE_MS).unref();
  }

  const monitor = monitorProcess(
    {
      pid: child.pid ?? -1,
      sample: () => ({
        ...received,
        calls: [...pending.values()].filter(({ isPing }) => !isPing).length,
        graphRuns: Object.values(costs).reduce((sum, { runs }) => sum + runs, 0),
      }),
      ping: () => send({ session: null, verb: "ping", params: undefined }, false),
    },
    limits,
    endStalled,
  );

  return {
    pid: child.pid ?? -1,
    get suspicion() {
      return monitor.suspicion;
    },
    costs: () => costs,
    call: (session, verb, params, signal) =>
      send({ session, verb, params } as IpcRequest, SESSION_VERBS[verb].pushedFrames !== "add", signal),
    hurry(session) {
      if (endReason === undefined) write({ hurry: session });
    },
    control: (verb, params) => send({ session: null, verb, params } as IpcRequest, true),
    snapshot: (params) => send({ session: null, verb: "snapshot", params }, true),
    async close() {
      if (endReason !== undefined) return;
      if (child.connected) child.disconnect();
      // Calls that are pending reject, also those whose answer is on its way.
      channel?.destroy();
      const timer = setTimeout(kill, CLOSE_GRACE_MS);
      await ended;
      clearTimeout(timer);
    },
  };
}

/** The session that a call to the process itself is about. */
function sessionOf(params: IpcRequest["params"]): number | null {
  return params !== undefined && "session" in params ? params.session : null;
}
