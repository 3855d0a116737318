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
   * Frames that may wait for a loop before the socket is no longer read from, which makes the server wait. Browsers
   * cannot stop reading: there the queue grows while a loop is slower than the server.
   */
  maxQueuedFrames?: number;
}

/** Fields of `start_session`: a `resource_path` on the server or an `upload_id`. */
export type StartFields = Omit<RequestInputOf<"start_session">, "type">;

/** The WebSocket's close code and reason; 1006 when it broke off. */
export interface ConnectionEnd {
  code: number;
  reason: string;
}

/** One connection. What the server refuses and what the network breaks rejects with a `MaskletError`. */
export interface MaskletClient {
  startSession(fields: StartFields): Promise<MaskletSession>;
  /** Sends a video to the server; start a session with the answer's `upload_id`. */
  upload(source: UploadSource, options?: UploadOptions): Promise<UploadFacts>;
  /** Frees the server's copy of a video, which no running session may need any more; being gone already is fine. */
  deleteUpload(uploadId: string): Promise<void>;
  /** Any request that has one answer, as PROTOCOL.md has it. */
  request<T extends AnsweredType>(request: RequestInputOf<T> & { type: T }): Promise<AnswerOf<T>>;
  /** What happens to sessions without a request. Returns the function that stops listening. */
  onEvent(listener: (event: EventMessage) => void): () => void;
  /** Resolves when the connection has ended, whoever ended it. */
  readonly closed: Promise<ConnectionEnd>;
  /** Ends the connection, and on the server every session of it. What still waits fails with `connection_lost`. */
  close(): Promise<void>;
}

/**
 * Opens a connection to a server: `ws://127.0.0.1:8765`, or any address behind which its `/v1` is found.
 * @throws MaskletError connection_failed.
 */
export async function connect(address: string, options: ConnectOptions = {}): Promise<MaskletClient> {
  const { webSocket, maxQueuedFrames = 16 } = options;
  const endpoint = endpointOf(address);
  const listeners = new Set<(event: EventMessage) => void>();
  const wire = await openWire(endpoint.socket, webSocket);
  const exchange = createExchange({
    wire,
    maxQueuedFrames,
    onEvent: (event) => {
      for (const listener of listeners) listener(event);
    },
  });
  const closed = new Promise<ConnectionEnd>((resolve) => {
    wire.listen({
      onText: exchange.onText,
      onClose(code, reason) {
        const message = `the connection ended with code ${code}${reason && ` (${reason})`}`;
        exchange.lose(new MaskletError({ code: "connection_lost", message, retryable: true }));
        resolve({ code, reason });
      },
    });
  });

  return {
    async startSession(fields) {
      return createSession(
        exchange,
        await exchange.ask<"start_session">({ ...fields, type: "start_session" }),
      );
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
      wire.close();
      await closed;
    },
  };
}
