import { ProtocolError } from "../../protocol/errors.js";

// What a client reads here was said by us: no server path, no tool output. That is for the log, in `cause`.

/** The file is empty, damaged or holds no picture. */
export function mediaUnreadable(message: string, cause?: unknown): ProtocolError {
  return new ProtocolError(
    "media_unreadable",
    message,
    undefined,
    cause === undefined ? undefined : { cause },
  );
}

/** The file is sound, as far as we can tell, and nothing we take. */
export function mediaUnsupported(message: string, cause?: unknown): ProtocolError {
  return new ProtocolError(
    "media_unsupported",
    message,
    undefined,
    cause === undefined ? undefined : { cause },
  );
}

/** `code` of a file system error such as ENOENT; undefined for anything else. */
export function systemErrorCode(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === "string" ? code : undefined;
}
