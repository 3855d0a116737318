import type {
  AnsweredType,
  AnswerOf,
  EventMessage,
  RequestInputOf,
  ServerMessage,
  UploadFacts,
} from "../../protocol/index.js";
import { type ReconnectOptions, readBackoff } from "./backoff.js";
import { endpointOf } from "./endpoint.js";
import { MaskletError } from "./errors.js";
import { createExchange } from "./exchange.js";
import { openLink } from "./link.js";
import { type ResumableOptions, type SlicedSource, uploadResumable } from "./resumable.js";
import { createSession, type MaskletSession } from "./session.js";
import { deleteUpload, type UploadOptions, type UploadSource, upload } from "./upload.js";
import type { WebSocketClass } from "./wire.js";

export interface ConnectOptions {
  /** The key of a server that requires one, `masklet_…`. It is sent as the first message, and with uploads as a header. */
  key?: string | undefined;
  /** Default: the `ws` package in Node, the global class elsewhere. */
  webSocket?: WebSocketClass;
  /**
   * Frames of one stream that may be on their way or wait for its loop; then the server computes no more until the loop
   * takes some. Default 16. A `window` in the fields of `propagate` has precedence.
   */
  window?: number;
  /**
   * Whether a lost connection is opened again. Then requests and loops wait meanwhile, sessions are attached to again, and
   * every frame is received once. Default true. False: everything that waits fails with `connection_lost`.
   */
  reconnect?: boolean | ReconnectOptions;
}

/** Fields of `start_session`: a `resource_path` on the server or an `upload_id`. */
export type StartFields = Omit<RequestInputOf<"start_session">, "type">;

/** Fields of `load_session`: a `saved_id`, and the video as a `resource_path` or an `upload_id`. */
export type LoadFields = Omit<RequestInputOf<"load_session">, "type">;

/** Fields of `attach_session`. */
export type AttachFields = Omit<RequestInputOf<"attach_session">, "type"> & {
  /** Receives the results that answer requests of other clients, or of an earlier process of this one. */
  onResult?: (message: ServerMessage) => void;
};

/** The WebSocket's close code and reason; 1006 when the connection was lost. */
export interface ConnectionEnd {
  code: number;
  reason: string;
}

/**
 * One client, which opens its connection again when it is lost. Its promises reject with a `MaskletError` when the server
 * refuses a request or the connection fails.
 */
export interface MaskletClient {
  startSession(fields: StartFields): Promise<MaskletSession>;
  /**
   * Reaches a session by the `token` of its `MaskletSession`, also after this process was started again. Without `watch` this
   * client controls the session from now on.
   */
  attachSession(fields: AttachFields): Promise<MaskletSession>;
  /** Continues a saved session with its video. */
  loadSession(fields: LoadFields): Promise<MaskletSession>;
  /** Sends a video to the server; start a session with the answer's `upload_id`. */
  upload(source: UploadSource, options?: UploadOptions): Promise<UploadFacts>;
  /**
   * Sends a file and continues after a lost connection with the bytes that the server does not have; for large files. In Node
   * a path is a source as well.
   */
  uploadResumable(source: Blob | SlicedSource | string, options?: ResumableOptions): Promise<UploadFacts>;
  /** Deletes the server's copy of a video. Sessions that use it continue. Succeeds also when it is deleted already. */
  deleteUpload(uploadId: string): Promise<void>;
  /** Any request that has one answer, with the fields of PROTOCOL.md. */
  request<T extends AnsweredType>(request: RequestInputOf<T> & { type: T }): Promise<AnswerOf<T>>;
  /** Reports what happens to sessions without a request. Returns the function that removes the listener. */
  onEvent(listener: (event: EventMessage) => void): () => void;
  /** Resolves when the connection has ended for good, whichever side ended it. */
  readonly closed: Promise<ConnectionEnd>;
  /** Closes the sessions that it started, and ends the connection. Unanswered requests fail with `connection_lost`. */
  close(): Promise<void>;
  /** Ends the connection and leaves the sessions open, for `attachSession` later. */
  detach(): Promise<void>;
}

/**
 * Opens a connection to a server such as `ws://127.0.0.1:8765`. Without a path, `/v1` is added.
 * @throws MaskletError connection_failed, or unauthenticated for a missing or invalid key.
 */
export async function connect(address: string, options: ConnectOptions = {}): Promise<MaskletClient> {
  const { key, webSocket, window: defaultWindow = 16, reconnect = true } = options;
  const endpoint = endpointOf(address, key);
  const listeners = new Set<(event: EventMessage) => void>();
  /** The `onResult` listeners of sessions that were attached to. */
  const watchers = new Map<string, (message: ServerMessage) => void>();
  let endWith: (end: ConnectionEnd) => void = () => {};
  const closed = new Promise<ConnectionEnd>((resolve) => {
    endWith = resolve;
  });
  const exchange = createExchange({
    link: () => link,
    defaultWindow,
    onEvent(event) {
      for (const listener of listeners) listener(event);
    },
    onOther: (message) => watchers.get((message as { session_id?: string }).session_id ?? "")?.(message),
    onForget: (sessionId) => void watchers.delete(sessionId),
  });
  const link = await openLink(
    { endpoint, webSocket, backoff: readBackoff(reconnect) },
    {
      onText: exchange.onText,
      onBytes: exchange.onBytes,
      onLost(code) {
        if (code !== STOPPED) return;
        const message = `the server was stopped, and its sessions with it (code ${code})`;
        exchange.loseSessions(new MaskletError({ code: "connection_lost", message, retryable: true }));
      },
      onOpenAgain: exchange.resume,
      onClose({ code, reason, error }) {
        exchange.lose(error);
        endWith({ code, reason });
      },
    },
  );

  async function end(): Promise<void> {
    link.close();
    await closed;
  }

  return {
    async startSession(fields) {
      const { session_token, ...facts } = await exchange.ask<"start_session">({
        ...fields,
        type: "start_session",
      });
      return createSession(exchange, facts, session_token);
    },
    async loadSession(fields) {
      const answer = await exchange.ask<"load_session">({ ...fields, type: "load_session" });
      const { session_token, restored, obj_ids, stored_frames, ...facts } = answer;
      return createSession(exchange, facts, session_token);
    },
    async attachSession({ onResult, ...fields }) {
      const answer = await exchange.ask<"attach_session">(
        { ...fields, type: "attach_session" },
        // Results follow the answer at once, before the awaited promise continues.
        ({ session_id }) => {
          if (onResult) watchers.set(session_id, onResult);
        },
      );
      const { last_seq, lost, pending, streams, control, ...facts } = answer;
      return createSession(exchange, facts, fields.session_token);
    },
    upload: (source, uploadOptions) => upload(endpoint, source, uploadOptions),
    uploadResumable: (source, uploadOptions) => uploadResumable(endpoint, source, uploadOptions),
    deleteUpload: (uploadId) => deleteUpload(endpoint, uploadId),
    request: (request) => exchange.ask(request),
    onEvent(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    closed,
    async close() {
      // The server reads them before it sees the end of the connection; their answers are not awaited.
      for (const session_id of exchange.ownSessions()) {
        exchange.ask<"close_session">({ type: "close_session", session_id }).catch(() => {});
      }
      await end();
    },
    detach: end,
  };
}

/** The close code of a server that stops. */
const STOPPED = 1001;
