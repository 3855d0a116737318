import type {
  AnsweredType,
  AnswerOf,
  EventMessage,
  RequestInputOf,
  UploadFacts,
} from "../../protocol/index.js";
import { endpointOf } from "./endpoint.js";
import { MaskletError } from "./errors.js";
import { createExchange } from "./exchange.js";
import { createSession, type MaskletSession } from "./session.js";
import { deleteUpload, type UploadOptions, type UploadSource, upload } from "./upload.js";
import { openWire, type WebSocketClass } from "./wire.js";

export interface ConnectOptions {
  /** Default: the `ws` package in Node, the global class elsewhere. */
  webSocket?: WebSocketClass;
  /**
   * Frames of one stream that may be on their way or wait for its loop; then the server computes no more until the loop
   * takes some. Default 16. A `window` in the fields of `propagate` has precedence.
   */
  window?: number;
}

/** Fields of `start_session`: a `resource_path` on the server or an `upload_id`. */
export type StartFields = Omit<RequestInputOf<"start_session">, "type">;

/** The WebSocket's close code and reason; 1006 when the connection was cut. */
export interface ConnectionEnd {
  code: number;
  reason: string;
}

/** One connection. Its promises reject with a `MaskletError` when the server refuses a request or the connection fails. */
export interface MaskletClient {
  startSession(fields: StartFields): Promise<MaskletSession>;
  /** Sends a video to the server; start a session with the answer's `upload_id`. */
  upload(source: UploadSource, options?: UploadOptions): Promise<UploadFacts>;
  /** Deletes the server's copy of a video. Sessions that use it continue. Succeeds also when it is deleted already. */
  deleteUpload(uploadId: string): Promise<void>;
  /** Any request that has one answer, with the fields of PROTOCOL.md. */
  request<T extends AnsweredType>(request: RequestInputOf<T> & { type: T }): Promise<AnswerOf<T>>;
  /** Reports what happens to sessions without a request. Returns the function that removes the listener. */
  onEvent(listener: (event: EventMessage) => void): () => void;
  /** Resolves when the connection has ended, whichever side ended it. */
  readonly closed: Promise<ConnectionEnd>;
  /** Closes the sessions that it started, and ends the connection. Unanswered requests fail with `connection_lost`. */
  close(): Promise<void>;
}

/**
 * Opens a connection to a server such as `ws://127.0.0.1:8765`. Without a path, `/v1` is added.
 * @throws MaskletError connection_failed.
 */
export async function connect(address: string, options: ConnectOptions = {}): Promise<MaskletClient> {
  const { webSocket, window: defaultWindow = 16 } = options;
  const endpoint = endpointOf(address);
  const listeners = new Set<(event: EventMessage) => void>();
  const wire = await openWire(endpoint.socket, webSocket);
  const exchange = createExchange({
    wire,
    defaultWindow,
    onEvent: (event) => {
      for (const listener of listeners) listener(event);
    },
  });
  const started = new Set<string>();
  const closed = new Promise<ConnectionEnd>((resolve) => {
    wire.listen({
      onText: exchange.onText,
      onBytes: exchange.onBytes,
      onClose(code, reason) {
        const message = `the connection ended with code ${code}${reason && ` (${reason})`}`;
        exchange.lose(new MaskletError({ code: "connection_lost", message, retryable: true }));
        resolve({ code, reason });
      },
    });
  });

  return {
    async startSession(fields) {
      const facts = await exchange.ask<"start_session">({ ...fields, type: "start_session" });
      started.add(facts.session_id);
      return createSession(exchange, facts);
    },
    upload: (source, uploadOptions) => upload(endpoint.uploads, source, uploadOptions),
    deleteUpload: (uploadId) => deleteUpload(endpoint.uploads, uploadId),
    request: (request) => exchange.ask(request),
    onEvent(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    closed,
    async close() {
      // The server reads them before it sees the end of the connection; their answers are not awaited.
      for (const session_id of started) {
        exchange.ask<"close_session">({ type: "close_session", session_id }).catch(() => {});
      }
      wire.close();
      await closed;
    },
  };
}
