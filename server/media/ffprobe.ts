import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { ffprobePath } from "./binaries.js";
import { mediaUnreadable } from "./errors.js";
import { inputOptions, inputUrl } from "./ffmpeg.js";
import type { Demuxer } from "./sniff.js";

export interface ProbeRequest {
  /** Absolute path of the file. */
  path: string;
  demuxer: Demuxer;
  timeoutMs: number;
  signal?: AbortSignal;
}

/**
 * Runs ffprobe and hands over its output line by line, so that a million packets never exist as one string.
 *
 * Throws `media_unreadable` when ffprobe rejects the file or takes too long; whatever `onLine` throws ends the run.
 */
export async function ffprobeLines(
  request: ProbeRequest,
  options: string[],
  onLine: (line: string) => void,
): Promise<void> {
  request.signal?.throwIfAborted();
  const args = [
    "-hide_banner",
    "-v",
    "error",
    ...inputOptions(request.demuxer),
    ...options,
    inputUrl(request.path),
  ];
  const child = spawn(ffprobePath(), args, { stdio: ["ignore", "pipe", "pipe"], windowsHide: true });
  const exited = new Promise<number | null>((resolve, reject) => {
    child.once("error", (cause) => reject(new Error("ffprobe could not be started", { cause })));
    child.once("exit", resolve);
  });
  exited.catch(() => {});
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    log = (log + text).slice(-2000);
  });

  let timedOut = false;
  const kill = () => child.kill("SIGKILL");
  const timer = setTimeout(() => {
    timedOut = true;
    kill();
  }, request.timeoutMs);
  request.signal?.addEventListener("abort", kill, { once: true });
  try {
    for await (const line of createInterface({ input: child.stdout })) onLine(line);
    const code = await exited;
    request.signal?.throwIfAborted();
    if (timedOut) {
      throw mediaUnreadable(`Reading the video's index took more than ${request.timeoutMs} ms.`);
    }
    if (code !== 0) {
      throw mediaUnreadable(`The video cannot be read${reasonIn(log)}.`, new Error(log));
    }
  } finally {
    clearTimeout(timer);
    request.signal?.removeEventListener("abort", kill);
    kill();
    child.stdout.destroy();
    await exited.catch(() => {});
  }
}

/** Turns the few complaints a user can act on into words; the rest stays in the log. */
function reasonIn(log: string): string {
  if (log.includes("moov atom not found"))
    return ": its index (the moov atom) is missing, as in a file that was cut short";
  if (log.includes("Permission denied")) return ": permission denied";
  if (log.includes("Invalid data found")) return ": its content is damaged";
  return "";
}
