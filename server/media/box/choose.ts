/** Chooses how tools are started: by trying, once, from the strongest way to the weakest. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { open } from "node:fs/promises";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { findProgram, resolveProgram } from "../../programs.js";
import { ffmpegPath, ffprobePath } from "../binaries.js";
import { toolEnvironment } from "./environment.js";
import { killGroup } from "./kill-group.js";
import { type BoxKind, bubblewrap, direct, type Launcher, limitsOnly, namespaces } from "./launchers.js";
import { probeLimits } from "./limits.js";

/**
 * `auto` takes the strongest box that works. `required` fails where tools would keep access to the network. `off` starts the
 * tools directly.
 */
export type SandboxMode = "auto" | "required" | "off";

export interface Box {
  /** Starts tools that read files. */
  closed: Launcher;
  /**
   * As `closed`, with the file system of the server: for tools that were not tried, such as a script that starts another
   * program.
   */
  closedWithFiles: Launcher;
  /** Starts tools that read from the network. */
  networked: Launcher;
  /** Paths of the tools that `closed` has started. */
  tried: ReadonlySet<string>;
  /** Why stronger boxes are not used, one sentence each. */
  reasons: readonly string[];
}

const TRIAL_TIMEOUT_MS = 10_000;

let mode: SandboxMode = "auto";
let chosen: Promise<Box> | undefined;

/**
 * The box of this process. Tried on the first call.
 *
 * @throws Error in the mode `required` when no box without network works
 */
export function currentBox(): Promise<Box> {
  chosen ??= chooseBox(mode);
  return chosen;
}

/** Sets the mode of this process, and chooses again when it differs. */
export function useSandbox(wanted: SandboxMode): Promise<Box> {
  if (wanted !== mode) chosen = undefined;
  mode = wanted;
  return currentBox();
}

/** @throws see {@link currentBox} */
export async function chooseBox(mode: SandboxMode): Promise<Box> {
  const tools = await runnableTools();
  const { candidates, reasons } =
    mode === "off" ? { candidates: [], reasons: ["The setting sandbox is off."] } : await findLaunchers();
  const working: Launcher[] = [];
  for (const launcher of candidates) {
    if (working.some(({ kind }) => kind === launcher.kind)) continue;
    const problem = await tryLauncher(launcher, tools);
    if (problem === undefined) working.push(launcher);
    else if (working.length === 0) reasons.push(problem);
  }
  const first = (usable: (kind: BoxKind) => boolean) => working.find(({ kind }) => usable(kind)) ?? direct;
  const closed = first(() => true);
  if (mode === "required" && !isolates(closed.kind)) {
    throw new Error(
      `ffmpeg cannot be started without access to the network, as the setting sandbox requires. ${reasons.join(" ")}`,
    );
  }
  return {
    closed,
    closedWithFiles: first((kind) => kind !== "bubblewrap"),
    networked: first((kind) => !isolates(kind)),
    tried: tools,
    reasons,
  };
}

/** True for boxes in which a tool has no network. */
export function isolates(kind: BoxKind): boolean {
  return kind === "bubblewrap" || kind === "namespaces";
}

/** What this system may have, the strongest first, and what it lacks. */
export async function findLaunchers(): Promise<{ candidates: Launcher[]; reasons: string[] }> {
  if (process.platform === "win32")
    return { candidates: [], reasons: ["Windows has no limits for single processes."] };
  const sh = await findProgram("sh");
  if (sh === undefined) return { candidates: [], reasons: ["There is no sh."] };
  if (process.platform !== "linux") {
    return { candidates: [limitsOnly({ sh })], reasons: ["Namespaces exist only on Linux."] };
  }
  const [bwrap, unshare, setpriv] = await Promise.all(["bwrap", "unshare", "setpriv"].map(findProgram));
  const candidates: Launcher[] = [];
  const reasons: string[] = [];
  if (bwrap) candidates.push(bubblewrap({ bwrap, sh }));
  else reasons.push("bubblewrap is not installed.");
  if (unshare && setpriv) {
    if (process.getuid?.() === 0) candidates.push(namespaces({ unshare, setpriv, sh }, { user: false }));
    candidates.push(namespaces({ unshare, setpriv, sh }, { user: true }));
  } else reasons.push("unshare or setpriv of util-linux is not installed.");
  if (setpriv) candidates.push(limitsOnly({ sh, setpriv }));
  candidates.push(limitsOnly({ sh }));
  return { candidates, reasons };
}

/**
 * Starts tools by a launcher, and opens a file that it passes on as descriptor.
 *
 * @returns undefined when it works, or the reason as a sentence
 */
export async function tryLauncher(launcher: Launcher, tools: Iterable<string>): Promise<string | undefined> {
  try {
    if (isolates(launcher.kind)) await tryDescriptor(launcher);
    for (const binary of tools)
      await run(launcher.command({ ...TRIAL, binary, args: ["-version"] }), VERSION);
    return undefined;
  } catch (error) {
    return `${NAMES[launcher.kind]} cannot be used: ${(error as Error).message.slice(0, 200)}.`;
  }
}

/** Both tools print their libraries with it. */
const VERSION = "libavutil";

const TRIAL = { limits: probeLimits(0), readable: [] };

const NAMES: Record<BoxKind, string> = {
  bubblewrap: "bubblewrap",
  namespaces: "Namespaces of unshare",
  limits: "Limits of a shell",
  none: "Tools without a box",
};

/** The paths of the tools that run when they are started directly. */
async function runnableTools(): Promise<Set<string>> {
  const tools = new Set<string>();
  for (const path of [ffmpegPath, ffprobePath]) {
    try {
      const binary = await resolveProgram(path());
      await run(direct.command({ ...TRIAL, binary, args: ["-version"] }), VERSION);
      tools.add(binary);
    } catch {
      // A run of it reports the error.
    }
  }
  return tools;
}

async function tryDescriptor(launcher: Launcher): Promise<void> {
  const cat = await resolveProgram("cat");
  const file = await open(fileURLToPath(import.meta.url), "r");
  try {
    const command = launcher.command({ ...TRIAL, binary: cat, args: ["/proc/self/fd/3"] });
    await run(command, "", [file.fd]);
  } finally {
    await file.close();
  }
}

/**
 * @param expected what the standard output contains: a script can succeed although the program that it starts fails
 * @throws Error with the last line of the log when the command fails or takes too long
 */
async function run(
  { file, args }: { file: string; args: string[] },
  expected: string,
  files: number[] = [],
): Promise<void> {
  const child = spawn(file, args, {
    cwd: "/",
    env: toolEnvironment(),
    stdio: ["ignore", "pipe", "pipe", ...files],
    detached: true,
  });
  const timer = setTimeout(() => killGroup(child), TRIAL_TIMEOUT_MS);
  const [output, log] = [child.stdout, child.stderr].map(keepEnd) as [() => string, () => string];
  const closed = once(child, "close") as Promise<[number | null, string | null]>;
  const [code, signal] = await closed.finally(() => clearTimeout(timer));
  if (code === 0 && output().includes(expected)) return;
  throw new Error(log().trim().split("\n").at(-1) || `it ended with ${signal ?? `code ${code}`}`);
}

/** Reads a stream and keeps its last characters. */
function keepEnd(stream: Readable | null): () => string {
  let end = "";
  stream?.on("data", (chunk: Buffer) => {
    end = (end + chunk.toString()).slice(-20_000);
  });
  return () => end;
}
