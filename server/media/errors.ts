import { ProtocolError } from "../../protocol/errors.js";

// Clients receive these messages. They contain no output of a tool: that belongs in `cause`, for the server's log.

const options = (cause: unknown) => (cause === undefined ? undefined : { cause });

/** The file is empty, damaged, or contains no picture. */
export function mediaUnreadable(message: string, cause?: unknown): ProtocolError {
  return new ProtocolError("media_unreadable", message, undefined, options(cause));
}

/** The file is not damaged as far as the server can see, but of a kind or size that it does not accept. */
export function mediaUnsupported(message: string, cause?: unknown): ProtocolError {
  return new ProtocolError("media_unsupported", message, undefined, options(cause));
}

/** Causes of {@link serverOverloaded}, by their system error code. */
const EXHAUSTED = {
  EMFILE: "the server process has too many open files",
  ENFILE: "the system has too many open files",
  EAGAIN: "the system has too many processes or too little memory",
  ENOMEM: "the system is out of memory",
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
} as const;

/** True for a system error that means: out of file descriptors, processes, memory or disk space. */
export function isExhaustion(error: unknown): boolean {
  return (systemErrorCode(error) ?? "") in EXHAUSTED;
}

/** The server lacks a resource of the operating system. `cause` must satisfy {@link isExhaustion}. */
export function serverOverloaded(what: string, cause: unknown): ProtocolError {
  const reason = EXHAUSTED[systemErrorCode(cause) as keyof typeof EXHAUSTED];
  return new ProtocolError("server_overloaded", `${what}: ${reason}. Try again later.`, undefined, { cause });
}

/**
 * The error of a request for a file system error met while `name` is read. Other errors are returned as they are.
 *
 * @param name how messages call the file, such as "The file" or "3.jpg"
 */
export function readFailure(error: unknown, name: string): unknown {
  const code = systemErrorCode(error);
  if (isExhaustion(error)) return serverOverloaded(`${name} cannot be opened`, error);
  if (code === "ENOENT" || code === "ENOTDIR") return mediaUnreadable(`${name} no longer exists.`, error);
  if (code === "EACCES" || code === "EPERM")
    return mediaUnreadable(`The server has no permission to read ${lowerFirst(name)}.`, error);
  if (code === "EIO" || code === "EISDIR" || code === "ESTALE")
    return mediaUnreadable(`${name} cannot be read from its disk (${code}).`, error);
  return error;
}

/** "The file" within a sentence is "the file"; names of files stay as they are. */
function lowerFirst(name: string): string {
  return name.startsWith("The ") ? `the ${name.slice(4)}` : name;
}

/** `code` of a file system error such as ENOENT; undefined for anything else. */
export function systemErrorCode(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === "string" ? code : undefined;
}
