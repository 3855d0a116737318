/**
 * One connection that receives the results of a session: a cursor on the session's log, and a pump that sends what follows
 * the cursor as fast as the connection reads.
 */
import { anonymous, type SessionLog } from "./session-log.js";
import type { Transport } from "./transport.js";

export interface Attachment {
  /** A watcher receives results, but none of its requests changes the session. */
  readonly isWatcher: boolean;
  /** Number of the last result that was handed to the transport. */
  readonly cursor: number;
  /** True when every result is sent and the connection keeps up. */
  readonly isCaughtUp: boolean;
  /** Sends new results. */
  wake(): void;
  /** Resolves when `isCaughtUp`, or after `detach`. */
  drained(): Promise<void>;
  /** Sends nothing more. */
  detach(): void;
}

export interface AttachmentParts {
  log: SessionLog;
  transport: Transport;
  isWatcher: boolean;
  /** Results up to this number are not sent. */
  afterSeq: number;
  /** The message that reports results which the log has dropped before they were sent. */
  skipped(firstSeq: number, lastSeq: number): string;
  /** Called whenever `isCaughtUp` becomes true. */
  onCaughtUp(): void;
}

export function createAttachment(parts: AttachmentParts): Attachment {
  const { log, transport, isWatcher } = parts;
  const waiting = new Set<() => void>();
  let cursor = parts.afterSeq;
  let isPumping = false;
  let isDetached = false;

  function release(): void {
    for (const resolve of waiting) resolve();
    waiting.clear();
  }

  /** The next message, with the cursor behind it. */
  function next(): string | Uint8Array | undefined {
    const { firstSeq } = log;
    if (cursor + 1 < firstSeq) {
      const message = parts.skipped(cursor + 1, firstSeq - 1);
      cursor = firstSeq - 1;
      return message;
    }
    const result = log.get(cursor + 1);
    if (!result) return undefined;
    cursor++;
    return isWatcher ? anonymous(result) : result.data;
  }

  async function pump(): Promise<void> {
    isPumping = true;
    for (let message = next(); message !== undefined; message = next()) {
      await transport.send(message);
      if (isDetached) return;
    }
    isPumping = false;
    release();
    parts.onCaughtUp();
  }

  return {
    isWatcher,
    get cursor() {
      return cursor;
    },
    get isCaughtUp() {
      return !isPumping;
    },
    wake() {
      if (!isPumping && !isDetached) void pump();
    },
    async drained() {
      if (isPumping && !isDetached) await new Promise<void>((resolve) => waiting.add(resolve));
    },
    detach() {
      isDetached = true;
      release();
    },
  };
}
