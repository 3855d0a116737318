import { ProtocolError } from "../../protocol/errors.js";
import type { UploadLimits } from "./limits.js";

/** Bytes on disk of all uploads together. */
export interface Quota {
  account(): Account;
  /** Throws `upload_too_large` for an announced upload that has no room. */
  check(bytes: number): void;
}

/** Bytes on disk of one upload. */
export interface Account {
  /** Counts bytes before they are written. Throws `upload_too_large` when all uploads together have no room for them. */
  add(bytes: number): void;
  /** Counts bytes that are deleted. */
  subtract(bytes: number): void;
  /** Counts everything as deleted. */
  clear(): void;
}

export function createQuota(limits: Pick<UploadLimits, "maxUploadBytes" | "maxTotalUploadBytes">): Quota {
  let totalBytes = 0;
  const checkTotal = (bytes: number) => {
    if (bytes <= limits.maxTotalUploadBytes) return;
    throw uploadTooLarge(
      `All uploads together exceed ${limits.maxTotalUploadBytes} bytes (maxTotalUploadBytes); delete one first.`,
    );
  };
  return {
    account() {
      let own = 0;
      const change = (bytes: number) => {
        own += bytes;
        totalBytes += bytes;
      };
      return {
        add(bytes) {
          checkTotal(totalBytes + bytes);
          change(bytes);
        },
        subtract: (bytes) => change(-bytes),
        clear: () => change(-own),
      };
    },
    check(bytes) {
      checkUploadBytes(bytes, limits);
      checkTotal(totalBytes + bytes);
    },
  };
}

/** Throws `upload_too_large` for an upload of more bytes than the limit. */
export function checkUploadBytes(
  bytes: number,
  { maxUploadBytes }: Pick<UploadLimits, "maxUploadBytes">,
): void {
  if (bytes <= maxUploadBytes) return;
  throw uploadTooLarge(
    `The upload has at least ${bytes} bytes; the limit is ${maxUploadBytes} (maxUploadBytes).`,
  );
}

export function uploadTooLarge(message: string): ProtocolError {
  return new ProtocolError("upload_too_large", message);
}
