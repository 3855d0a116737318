/** Bodies of uploads while they arrive. Each holds a place of its owner's share, and must not arrive too slowly. */
import { ProtocolError } from "../../protocol/errors.js";
import { FIXED_LIMITS } from "../../protocol/limits.js";
import type { Clock } from "../clock.js";
import type { OwnerId } from "../session-owner.js";
import type { Shares } from "../shares/shares.js";
import { untilAborted } from "./abortable-body.js";
import type { UploadLimits } from "./limits.js";
import { paced } from "./pace.js";

export interface Transfers {
  /**
   * Waits for a place, then passes the chunks of the body to `read`. The place is free again when `read` has ended.
   *
   * @throws ProtocolError server_busy, upload_too_slow, the signal's reason, or the errors of `read` and of the body
   */
  receive<T>(
    owner: OwnerId,
    body: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
    read: (chunks: AsyncIterable<Uint8Array>) => Promise<T>,
  ): Promise<T>;
}

export interface TransfersParts {
  shares: Pick<Shares, "wait">;
  limits: Pick<UploadLimits, "minUploadBytesPerS">;
  clock: Clock;
}

export function createTransfers({ shares, limits, clock }: TransfersParts): Transfers {
  const { minUploadBytesPerS: minBytesPerS } = limits;
  const longestMs = FIXED_LIMITS.transferMs.value;
  return {
    async receive(owner, body, signal, read) {
      const place = await shares.wait("transfers", owner, { signal });
      const transfer = new AbortController();
      const abort = () => transfer.abort(signal.reason);
      signal.addEventListener("abort", abort, { once: true });
      if (signal.aborted) abort();
      const onTooSlow = () => transfer.abort(tooSlow(minBytesPerS));
      const stopTimer = clock.after(longestMs, () => transfer.abort(tooLong(longestMs)));
      try {
        return await read(paced(untilAborted(body, transfer.signal), { minBytesPerS, clock, onTooSlow }));
      } finally {
        stopTimer();
        signal.removeEventListener("abort", abort);
        place.release();
      }
    },
  };
}

const RETRY_AFTER_MS = 1000;

function tooSlow(minBytesPerS: number): ProtocolError {
  const message = `The body arrives at less than ${minBytesPerS} bytes per second (minUploadBytesPerS).`;
  const facts = { limit: "minUploadBytesPerS", retryAfterMs: RETRY_AFTER_MS };
  return new ProtocolError("upload_too_slow", message, undefined, facts);
}

function tooLong(longestMs: number): ProtocolError {
  const message = `The body has arrived for ${longestMs / 3_600_000} hours; send the rest as a resumable upload.`;
  const facts = { limit: "transferMs", retryAfterMs: RETRY_AFTER_MS };
  return new ProtocolError("upload_too_slow", message, undefined, facts);
}
