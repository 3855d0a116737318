/** Starts ffmpeg and ffprobe. Every failure to start, to read and to write becomes a rejection or an exit. */
import { type ChildProcess, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { isExhaustion, serverOverloaded } from "./errors.js";
import { createLineSplitter } from "./lines.js";

export interface ToolExit {
  /** Null when a signal ended the process. */
  code: number | null;
  /** The last lines of standard error, for the server's log only: they may contain server paths. */
  logTail: string;
  /** True when the process was killed because its log exceeded `maxLogBytes`. */
  logExceeded: boolean;
}

export interface ToolProcess {
  /** Standard output. A reader that pauses stops the tool once the pipe is full. */
  readonly stdout: Readable;
  /** Standard input if `input` was set. Errors of the pipe are ignored: `exited` has the cause. */
  readonly stdin: Writable | null;
  /** Resolves once the process has ended and its log is read. Never rejects. */
  readonly exited: Promise<ToolExit>;
  /** Kills the process and resolves once it has ended. May be called at any time, more than once. */
  kill(): Promise<void>;
}

export interface ToolOptions {
  name: "ffmpeg" | "ffprobe";
  binary: string;
  args: readonly string[];
  /** Variables to add to the environment of this process. */
  env?: Record<string, string>;
  /** Opens standard input for writing. Without it the tool reads an empty input. */
  input?: boolean;
  /**
   * Open descriptors of this process that the tool inherits as 3, 4, …, in this order. It inherits no others. They may be
   * closed once the tool has started. The tool shares their file positions.
   */
  files?: readonly number[];
  /** Receives each line of standard error. Must not throw. */
  onLogLine?: (line: string) => void;
  /** Bytes of standard error after which the process is killed; unlimited if absent. */
  maxLogBytes?: number;
}

const LOG_TAIL_LINES = 20;
const LOG_TAIL_LINE_CHARS = 500;

/**
 * Starts a tool and resolves once it runs. Rejects with `server_overloaded` when the server is out of file descriptors,
 * processes or memory, and with a plain error (`internal` to a client) when the binary is missing or cannot be executed.
 *
 * `child_process.spawn` is used instead of fluent-ffmpeg's `run()`: after a failed spawn `child.stdin`, `stdout` and
 * `stderr` can be undefined, and fluent-ffmpeg 2.1.3 reads them inside its callbacks, where the TypeError is uncaught.
 */
export async function startTool(options: ToolOptions): Promise<ToolProcess> {
  const {
    name,
    binary,
    args,
    env,
    input = false,
    files = [],
    onLogLine,
    maxLogBytes = Number.POSITIVE_INFINITY,
  } = options;
  let child: ChildProcess;
  try {
    child = spawn(binary, args, {
      // Node opens its descriptors with close-on-exec: the tool inherits only these.
      stdio: [input ? "pipe" : "ignore", "pipe", "pipe", ...files],
      windowsHide: true,
      ...(env && { env: { ...process.env, ...env } }),
    });
  } catch (cause) {
    throw cannotStart(name, binary, cause);
  }
  const { stdin, stdout, stderr } = child as Partial<Pick<ChildProcess, "stdin" | "stdout" | "stderr">>;
  for (const stream of [stdin, stdout, stderr]) stream?.on("error", () => {});

  const logTail: string[] = [];
  const splitter = createLineSplitter((line) => {
    logTail.push(line.slice(0, LOG_TAIL_LINE_CHARS));
    if (logTail.length > LOG_TAIL_LINES) logTail.shift();
    onLogLine?.(line);
  });
  let logBytes = 0;
  stderr?.on("data", (chunk: Buffer) => {
    logBytes += chunk.length;
    if (logBytes > maxLogBytes) end(child);
    else splitter.push(chunk);
  });

  // `close` comes after `exit`, once the whole log is read.
  const exited = new Promise<ToolExit>((resolve) => {
    child.once("close", (code) => {
      splitter.end();
      resolve({ code, logTail: logTail.join("\n"), logExceeded: logBytes > maxLogBytes });
    });
  });
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    // Stays attached: a failed kill is reported here as well.
    child.on("error", (cause) => reject(cannotStart(name, binary, cause)));
  });
  if (!stdout) throw cannotStart(name, binary, new Error("the process has no standard output"));

  return {
    stdout,
    stdin: stdin ?? null,
    exited,
    async kill() {
      end(child);
      await exited;
    },
  };
}

function end(child: ChildProcess): void {
  child.kill("SIGKILL");
  // A paused pipe never ends, and a process that the tool started could keep its end open.
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy();
}

/** Throws for the exit codes with which a shell or the dynamic loader reports that the tool itself cannot run. */
export function checkRan(name: ToolOptions["name"], binary: string, { code, logTail }: ToolExit): void {
  if (code === 126 || code === 127) throw cannotStart(name, binary, new Error(logTail));
}

/** The error for a tool that did not start. It is a fault of the server, not of the media. */
export function cannotStart(name: ToolOptions["name"], binary: string, cause: unknown): Error {
  if (isExhaustion(cause)) return serverOverloaded(`${name} cannot be started`, cause);
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new Error(`${name} (${binary}) could not be started: ${reason}`, { cause });
}
