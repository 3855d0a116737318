/** Errors of tools that did not start or that reached a limit. */
import type { ExceededLimit } from "./box/exit.js";
import type { ToolLimits } from "./box/limits.js";
import { isExhaustion, mediaUnsupported, serverOverloaded } from "./errors.js";

export type ToolName = "ffmpeg" | "ffprobe";

/** The error for a tool that did not start. It is a fault of the server, not of the media. */
export function cannotStart(name: ToolName, binary: string, cause: unknown): Error {
  if (isExhaustion(cause)) return serverOverloaded(`${name} cannot be started`, cause);
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new Error(`${name} (${binary}) could not be started: ${reason}`, { cause });
}

/** Causes for which a launcher fails that waiting can cure. */
const EXHAUSTED = {
  EAGAIN: "Resource temporarily unavailable",
  ENOMEM: "Cannot allocate memory",
  // The system's number of namespaces.
  ENOSPC: "No space left on device",
  EMFILE: "Too many open files",
  ENFILE: "Too many open files in system",
} as const;

/** @param error what the launcher of the box reported */
export function cannotLaunch(name: ToolName, binary: string, error: string): Error {
  const code = Object.entries(EXHAUSTED).find(([, text]) => error.includes(text))?.[0];
  return cannotStart(name, binary, code ? Object.assign(new Error(error), { code }) : new Error(error));
}

/** A file that needs more than the box of its tool allows. */
export function limitExceeded(
  limit: ExceededLimit,
  { memoryBytes, cpuS }: ToolLimits,
  cause: unknown,
): Error {
  const allowed =
    limit === "memory"
      ? `${Math.round(memoryBytes / 1024 ** 2)} MB of memory`
      : `${cpuS} s of processor time`;
  return mediaUnsupported(
    `Reading the file takes more than ${allowed}, the limit for a file of its size.`,
    cause,
  );
}
