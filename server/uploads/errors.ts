/** Errors of uploads and of files that the server stores for its clients. */
import { ProtocolError } from "../../protocol/errors.js";
import { isExhaustion, serverOverloaded, systemErrorCode } from "../media/errors.js";
import type { UploadLimits } from "./limits.js";

/** Somebody has to make room first. */
const DISK_RETRY_MS = 60_000;

const NO_ROOM: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota of the server is used up",
};

/**
 * The error of a request whose file cannot be stored: `disk_full`, or `server_overloaded` when the system lacks another
 * resource. Other errors are returned as they are.
 *
 * @param what the first half of the message, such as "The upload cannot be stored"
 */
export function cannotStore(error: unknown, what = "The upload cannot be stored"): unknown {
  const noRoom = NO_ROOM[systemErrorCode(error) ?? ""];
  if (noRoom !== undefined) {
    const message = `${what}: ${noRoom}. Try again later.`;
    return new ProtocolError("disk_full", message, undefined, { cause: error, retryAfterMs: DISK_RETRY_MS });
  }
  return isExhaustion(error) ? serverOverloaded(what, error) : error;
}

/** Throws `upload_too_large` for an upload of more bytes than the limit. */
export function checkUploadBytes(
  bytes: number,
  { maxUploadBytes }: Pick<UploadLimits, "maxUploadBytes">,
): void {
  if (bytes <= maxUploadBytes) return;
  throw uploadTooLarge(
    `The upload has at least ${bytes} bytes; the limit is ${maxUploadBytes} (maxUploadBytes).`,
    "maxUploadBytes",
  );
}

export function uploadTooLarge(message: string, limit: string): ProtocolError {
  return new ProtocolError("upload_too_large", message, undefined, { limit });
}

export function uploadNotFound(): ProtocolError {
  return new ProtocolError("upload_not_found", "No such upload, or it has expired.", "upload_id");
}

/** Another program has deleted the files of an upload, or its folder. */
export function uploadLost(cause?: unknown): ProtocolError {
  const message = "The files of the upload were deleted on the server; send it again.";
  return new ProtocolError("upload_not_found", message, "upload_id", { cause });
}
