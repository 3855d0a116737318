/** A connection that is opened again when it is lost. */
import { type Backoff, delayMs, isFatal } from "./backoff.js";
import type { Endpoint } from "./endpoint.js";
import { MaskletError } from "./errors.js";
import { openWire, type WebSocketClass, type Wire } from "./wire.js";

export interface LinkListener {
  onText(text: string): void;
  onBytes(bytes: Uint8Array): void;
  /** The connection was lost, and is being opened again. */
  onLost(code: number): void;
  /** The connection is open again. */
  onOpenAgain(): void;
  /** The connection has ended for good. Called once. */
  onClose(end: { code: number; reason: string; error: MaskletError }): void;
}

export interface Link {
  readonly isOpen: boolean;
  /** Drops the message while the connection is not open. */
  send(data: string | Uint8Array<ArrayBuffer>): void;
  /** A connection that is lost from now on is opened again after this time at the earliest. */
  waitBeforeReconnect(ms: number): void;
  /** Ends the connection for good. */
  close(): void;
}

export interface LinkOptions {
  endpoint: Pick<Endpoint, "socket" | "key">;
  webSocket: WebSocketClass | undefined;
  /** Undefined: a lost connection is not opened again. */
  backoff: Backoff | undefined;
}

/** The close code of a server that requires another key. */
const UNAUTHENTICATED = 4401;

/** @throws MaskletError connection_failed or unauthenticated when the first connection cannot be opened. */
export async function openLink(
  { endpoint, webSocket, backoff }: LinkOptions,
  listener: LinkListener,
): Promise<Link> {
  let wire: Wire | undefined;
  let isClosing = false;
  let hasEnded = false;
  let stopWaiting = () => {};
  let reconnectFromMs = 0;

  function end(code: number, reason: string, cause?: MaskletError): void {
    if (hasEnded) return;
    hasEnded = true;
    const message = `the connection ended with code ${code}${reason && ` (${reason})`}`;
    const lost =
      code === UNAUTHENTICATED
        ? new MaskletError({ code: "unauthenticated", message, retryable: false })
        : new MaskletError({ code: "connection_lost", message, retryable: true });
    listener.onClose({ code, reason, error: cause ?? lost });
  }

  async function wait(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      stopWaiting = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  function use(opened: Wire): void {
    wire = opened;
    opened.listen({
      onText: listener.onText,
      onBytes: listener.onBytes,
      onClose(code, reason) {
        wire = undefined;
        if (isClosing || !backoff || isFatal(code)) return end(code, reason);
        listener.onLost(code);
        void openAgain(backoff, code, reason);
      },
    });
  }

  async function openAgain(options: Backoff, code: number, reason: string): Promise<void> {
    for (let attempt = 0; attempt < options.maxAttempts; attempt++) {
      await wait(Math.max(0, reconnectFromMs - Date.now()) + delayMs(options, attempt));
      if (isClosing) break;
      try {
        const opened = await openWire(endpoint, webSocket);
        if (isClosing) {
          opened.close();
          break;
        }
        use(opened);
        listener.onOpenAgain();
        return;
      } catch (error) {
        if (error instanceof MaskletError && !error.retryable) return end(code, reason, error);
      }
    }
    end(code, reason);
  }

  use(await openWire(endpoint, webSocket));
  return {
    get isOpen() {
      return wire !== undefined;
    },
    send: (data) => wire?.send(data),
    waitBeforeReconnect(ms) {
      reconnectFromMs = Date.now() + ms;
    },
    close() {
      isClosing = true;
      stopWaiting();
      wire?.close();
    },
  };
}
