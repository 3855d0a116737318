/** Runs the command, as a process of its own or inside the test process. */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { onTestFinished, vi } from "vitest";
import { runCommand } from "../../clients/command/cli.js";
import { type FrameMessage, frameSchema } from "../../protocol/index.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

export interface CommandEnd {
  status: number | null;
  stdout: string;
  stderr: string;
}

export interface StartedCommand {
  readonly process: ChildProcess;
  /** Everything printed on standard output so far. */
  stdout(): string;
  /** Resolves when standard output matches the pattern. */
  printed(pattern: RegExp): Promise<RegExpExecArray>;
  readonly ended: Promise<CommandEnd>;
}

/** Starts `masklet …` as a process of its own, from the sources. */
export function startCommand(args: readonly string[], env: NodeJS.ProcessEnv = {}): StartedCommand {
  const child = spawn(process.execPath, ["--import", "tsx", "clients/command/main.ts", ...args], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (data) => {
    stdout += data;
  });
  child.stderr.on("data", (data) => {
    stderr += data;
  });
  const ended = new Promise<CommandEnd>((resolve) => {
    child.on("close", (status) => resolve({ status, stdout, stderr }));
  });
  return {
    process: child,
    stdout: () => stdout,
    printed: (pattern) =>
      new Promise((resolve, reject) => {
        const check = () => {
          const found = pattern.exec(stdout);
          if (found) resolve(found);
        };
        child.stdout.on("data", check);
        child.on("close", () => reject(new Error(`ended without printing ${pattern}: ${stdout}${stderr}`)));
        check();
      }),
    ended,
  };
}

/** Runs `masklet …` in the test process, which is faster, and captures its output. */
export async function callCommand(args: readonly string[]): Promise<CommandEnd> {
  const printed = { stdout: "", stderr: "" };
  const spies = (["stdout", "stderr"] as const).map((stream) =>
    vi.spyOn(process[stream], "write").mockImplementation((text, ...rest) => {
      printed[stream] += String(text);
      // The callback may be the second or the third argument.
      for (const argument of rest as unknown[]) if (typeof argument === "function") argument();
      return true;
    }),
  );
  try {
    return { status: await runCommand(args), ...printed };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

/** Parses the frame messages of a .jsonl text. @throws Error when a line is not exactly one frame message */
export function readFrames(lines: string): FrameMessage[] {
  if (!lines.endsWith("\n")) throw new Error("expected the last line to be complete");
  return lines
    .slice(0, -1)
    .split("\n")
    .map((line) => {
      const message: unknown = JSON.parse(line);
      frameSchema.parse(message);
      return message as FrameMessage;
    });
}
