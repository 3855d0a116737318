/** One picture process: its start, its work, its end. */
import { killGroup } from "../media/box/kill-group.js";
import type { Launcher } from "../media/box/launchers.js";
import { isExhaustion, serverOverloaded } from "../media/errors.js";
import { createLineSplitter } from "../media/lines.js";
import { startPictureProcess } from "./entry-point.js";
import type { Cost, FailureKind, FromProcess, ResultOf, ToProcess, Work, WorkRules } from "./messages.js";
import { ChangedSourceError, type PictureSource } from "./source.js";

/** How a piece of work ended. */
export type Outcome<W extends Work> =
  | { kind: "done"; result: ResultOf<W> }
  /** It takes more than was admitted; nothing was decoded. */
  | { kind: "needs"; cost: Cost }
  | { kind: "failed"; failure: FailureKind; message: string };

/**
 * `memory`: it took more than all its work may take. `time`: a piece of work took too long. `crash`: it ended by itself or
 * was killed from outside. `closed`: it was no longer needed.
 */
export type EndCause = "memory" | "time" | "crash" | "closed";

/** The process ended before the work was done. */
export class PictureProcessEnded extends Error {
  override readonly name = "PictureProcessEnded";

  constructor(
    override readonly cause: EndCause,
    /** What happened, for the log. */
    readonly reason: string,
  ) {
    super(`A picture process ended (${reason}).`);
  }
}

export interface PictureProcess {
  readonly pid: number | undefined;
  /** Rejects with PictureProcessEnded, or with the error of the source. */
  run<W extends Work>(work: W, source: PictureSource, rules: WorkRules): Promise<Outcome<W>>;
  /** Kills the process. Work in progress rejects. Resolves when it is gone. */
  end(cause: EndCause, reason: string): Promise<void>;
  readonly isEnded: boolean;
}

/** Messages of more bytes are sent in parts, so that a part is on its way while the next one is read. */
const PART_BYTES = 1024 * 1024;

/** A process may take this long to start on a busy machine. */
const START_MS = 60_000;

const LOG_LINES = 10;

/** Kills each process that still runs. One exit listener serves all. */
const running = new Set<() => void>();
process.on("exit", () => {
  for (const kill of running) kill();
});

interface Pending {
  resolve(outcome: Outcome<Work>): void;
  reject(error: Error): void;
}

export interface PictureProcessOptions {
  /** A process without a sign of life for this long while it works is killed. */
  silenceMs: number;
  /** The box of the process. Default: none. */
  launcher?: Launcher;
  onEnd?: (cause: EndCause, reason: string) => void;
}

/** Starts a process. It does not keep this program running while it has no work. */
export function startPicture({ silenceMs, launcher, onEnd }: PictureProcessOptions): PictureProcess {
  const child = startPictureProcess(launcher);
  const pending = new Map<number, Pending>();
  const logLines: string[] = [];
  let nextId = 1;
  let ending: { cause: EndCause; reason: string } | undefined;
  let startFailure: Error | undefined;
  let isReady = false;
  let isEnded = false;
  let lastSignMs = performance.now();
  const kill = () => killGroup(child);
  running.add(kill);
  const splitter = createLineSplitter((line) => {
    logLines.push(line);
    if (logLines.length > LOG_LINES) logLines.shift();
  });
  child.stderr?.on("data", (chunk: Buffer) => splitter.push(chunk));
  child.stderr?.on("error", () => {});

  /** The program may end while the process is idle. */
  function holdProgram(isHeld: boolean): void {
    const streams = [child, child.channel, child.stderr as { ref?(): void; unref?(): void } | null];
    for (const each of streams) isHeld ? each?.ref?.() : each?.unref?.();
  }

  const watch = setInterval(() => {
    const allowedMs = isReady ? silenceMs : Math.max(silenceMs, START_MS);
    const isSilent = () => pending.size > 0 && performance.now() - lastSignMs >= allowedMs;
    // This thread may have been busy: first the messages that have arrived are read.
    if (isSilent())
      setImmediate(() => {
        if (isSilent()) void end("crash", `no sign of life for ${allowedMs} ms`);
      });
  }, silenceMs / 4);
  watch.unref();

  child.on("message", (message: FromProcess) => {
    lastSignMs = performance.now();
    if ("exceededBytes" in message) {
      ending ??= { cause: "memory", reason: `${message.exceededBytes} bytes more than its work may take` };
      return;
    }
    isReady = true;
    if (!("id" in message)) return;
    const work = pending.get(message.id);
    settle(message.id);
    if ("result" in message) work?.resolve({ kind: "done", result: message.result as never });
    else if ("needs" in message) work?.resolve({ kind: "needs", cost: message.needs });
    else work?.resolve({ kind: "failed", failure: message.failure, message: message.message });
  });

  function settle(id: number): void {
    pending.delete(id);
    if (pending.size === 0) holdProgram(false);
  }

  const ended = new Promise<void>((resolve) => {
    const finish = (reason: string) => {
      if (isEnded) return;
      isEnded = true;
      running.delete(kill);
      clearInterval(watch);
      splitter.end();
      ending ??= { cause: "crash", reason: [reason, ...logLines].join("; ") };
      const error = startFailure ?? new PictureProcessEnded(ending.cause, ending.reason);
      for (const { reject } of pending.values()) reject(error);
      pending.clear();
      onEnd?.(ending.cause, ending.reason);
      resolve();
    };
    child.once("exit", (code, signal) => finish(signal ?? `exit status ${code}`));
    child.on("error", (error) => {
      startFailure = isExhaustion(error)
        ? serverOverloaded("A picture process cannot be started", error)
        : undefined;
      kill();
      finish(error.message);
    });
  });
  holdProgram(false);

  async function end(cause: EndCause, reason: string): Promise<void> {
    ending ??= { cause, reason };
    kill();
    await ended;
  }

  /** Resolves when the message is written, so that no more than one part waits in memory. */
  function send(message: ToProcess): Promise<void> {
    // A failed send means that the process is ending: its exit rejects the work.
    return new Promise((resolve) => {
      if (child.connected) child.send(message, () => resolve());
      else resolve();
    });
  }

  async function sendParts(id: number, { byteLength, parts }: PictureSource): Promise<void> {
    let sent = 0;
    for await (const bytes of parts()) {
      if (!pending.has(id)) return;
      if (sent + bytes.length > byteLength) throw new ChangedSourceError();
      for (let at = 0; at < bytes.length; at += PART_BYTES)
        await send({ id, part: bytes.subarray(at, at + PART_BYTES) });
      sent += bytes.length;
      lastSignMs = performance.now();
    }
    if (sent < byteLength) throw new ChangedSourceError();
  }

  return {
    pid: child.pid,
    get isEnded() {
      return isEnded || ending !== undefined;
    },
    end,
    async run(work, source, rules) {
      if (ending || isEnded)
        throw new PictureProcessEnded(ending?.cause ?? "crash", ending?.reason ?? "it has ended");
      const id = nextId++;
      const outcome = new Promise<Outcome<Work>>((resolve, reject) => pending.set(id, { resolve, reject }));
      outcome.catch(() => {});
      holdProgram(true);
      lastSignMs = performance.now();
      const inputBytes = source.byteLength;
      const whole = source.head?.length === inputBytes && inputBytes <= PART_BYTES ? source.head : undefined;
      try {
        await send({ id, work, rules, inputBytes, ...(whole && { bytes: whole }) });
        // A process that ends reads no more, and the source may wait for something.
        if (!whole) await Promise.race([sendParts(id, source), outcome]);
      } catch (error) {
        void send({ id, isAbandoned: true });
        settle(id);
        throw error;
      }
      return (await outcome) as never;
    },
  };
}
