/** Starts ffmpeg and ffprobe. Every failure to start, to read and to write becomes a rejection or an exit. */
import { type ChildProcess, spawn } from "node:child_process";
import { constants, setPriority } from "node:os";
import { isAbsolute } from "node:path";
import type { Readable, Writable } from "node:stream";
import { MEDIA_LIMITS } from "../../protocol/limits.js";
import { resolveProgram } from "../programs.js";
import { type Box, currentBox } from "./box/choose.js";
import { toolEnvironment } from "./box/environment.js";
import { type BoxedExit, interpretExit } from "./box/exit.js";
import { killGroup } from "./box/kill-group.js";
import { direct, type Launch, type Launcher } from "./box/launchers.js";
import { probeLimits, type ToolLimits } from "./box/limits.js";
import { createLineSplitter } from "./lines.js";
import { cannotLaunch, cannotStart, limitExceeded, type ToolName } from "./tool-errors.js";

export interface ToolExit extends BoxedExit {
  /** The limits that applied. */
  limits: ToolLimits;
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
  name: ToolName;
  binary: string;
  args: readonly string[];
  /** Variables to add to the environment. Absolute paths among the values are readable for the tool. */
  env?: Record<string, string>;
  /**
   * `closed` (default): limits, and no network where the system allows that. `network`: limits only. `none`: for encoding to a
   * file of the user.
   */
  box?: "closed" | "network" | "none";
  /** Default: those of a run that reads the header of a file. */
  limits?: ToolLimits;
  /** `low` lets runs without a user who waits yield to others. */
  priority?: "normal" | "low";
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
    limits = DEFAULT_LIMITS,
    onLogLine,
    maxLogBytes = Number.POSITIVE_INFINITY,
  } = options;
  const { launcher, program } = await prepare(options);
  const child = spawnTool(options, launcher, { binary: program, limits });
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
    if (logBytes > maxLogBytes) end(child, launcher);
    else splitter.push(chunk);
  });

  // `close` comes after `exit`, once the whole log is read.
  const exited = new Promise<ToolExit>((resolve) => {
    child.once("close", (code, signal) => {
      splitter.end();
      const log = logTail.join("\n");
      const ended = interpretExit({ code, signal }, log, launcher !== direct);
      resolve({ ...ended, limits, logTail: log, logExceeded: logBytes > maxLogBytes });
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
      end(child, launcher);
      await exited;
    },
  };
}

const DEFAULT_LIMITS = probeLimits(MEDIA_LIMITS.maxPixels.value);

const LOW_PRIORITY = constants.priority.PRIORITY_BELOW_NORMAL;

/** @returns the launcher, and the absolute path of the tool. */
async function prepare({ name, binary, box = "closed" }: ToolOptions) {
  let program: string;
  try {
    program = await resolveProgram(binary);
  } catch (cause) {
    throw cannotStart(name, binary, cause);
  }
  return { program, launcher: box === "none" ? direct : chooseLauncher(await currentBox(), box, program) };
}

function chooseLauncher(box: Box, kind: "closed" | "network", program: string): Launcher {
  if (kind === "network") return box.networked;
  return box.tried.has(program) ? box.closed : box.closedWithFiles;
}

function spawnTool(
  { name, binary, args, env = {}, box, input = false, files = [], priority }: ToolOptions,
  launcher: Launcher,
  launch: Pick<Launch, "binary" | "limits">,
): ChildProcess {
  try {
    const readable = [...Object.values(env).filter(isAbsolute), ...filesNamedBy(args)];
    const lowPriority = priority === "low";
    const command = launcher.command({ ...launch, args, readable, lowPriority });
    const child = spawn(command.file, command.args, {
      // Node opens its descriptors with close-on-exec: the tool inherits only these.
      stdio: [input ? "pipe" : "ignore", "pipe", "pipe", ...files],
      windowsHide: true,
      // A process group of its own: Ctrl-C in a terminal reaches the server alone, which lets streams end. On Windows it would
      // open a window.
      detached: process.platform !== "win32" && box !== "none",
      env: toolEnvironment(env),
      ...(launcher !== direct && { cwd: "/" }),
    });
    if (lowPriority && launcher === direct && child.pid !== undefined) lowerPriority(child.pid);
    return child;
  } catch (cause) {
    throw cannotStart(name, binary, cause);
  }
}

/** The local files of arguments such as `file:/media/clip.mp4`. */
function filesNamedBy(args: readonly string[]): string[] {
  return args.flatMap((arg) => /^file:(\/(?!proc\/|dev\/).*)$/s.exec(arg)?.[1] ?? []);
}

function lowerPriority(pid: number): void {
  try {
    setPriority(pid, LOW_PRIORITY);
  } catch {
    // It has ended, or the system does not allow it.
  }
}

function end(child: ChildProcess, { hasOwnProcesses }: Launcher): void {
  killGroup(child);
  // A paused pipe never ends, and a process that the tool started could keep its end open.
  for (const stream of [child.stdin, child.stdout]) stream?.destroy();
  // In a namespace of processes all end with the launcher, and the log ends with the last of them.
  if (!hasOwnProcesses) child.stderr?.destroy();
}

/**
 * Throws when the tool could not run, or when a limit of its box ended it: an error of the server, and `media_unsupported`
 * with the name of the limit.
 */
export function checkRan(name: ToolName, binary: string, exit: ToolExit): void {
  const { code, logTail, launchError, exceeded, limits } = exit;
  if (launchError !== undefined) throw cannotLaunch(name, binary, launchError);
  // The exit codes with which a shell or the dynamic loader reports that the tool itself cannot run.
  if (code === 126 || code === 127) throw cannotStart(name, binary, new Error(logTail));
  if (exceeded) throw limitExceeded(exceeded, limits, new Error(logTail));
}
