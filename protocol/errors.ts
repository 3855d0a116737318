/**
 * What an error ends. `request`: only the request that caused it. `session`: the session; the connection stays open.
 * `connection`: the connection.
 */
export type ErrorScope = "request" | "session" | "connection";

export interface ErrorFacts {
  scope: ErrorScope;
  /**
   * True when the same request may succeed later, unchanged. With scope `session` the session has to be started again
   * first.
   */
  retryable: boolean;
  meaning: string;
}

/** Every error code of the protocol. A code never changes its meaning; new codes may be added. */
export const ERRORS = {
  malformed_json: {
    scope: "request",
    retryable: false,
    meaning: "The message is not a JSON object. `request_id` is null.",
  },
  binary_not_expected: {
    scope: "request",
    retryable: false,
    meaning: "The message is binary and not a well-formed `push_frame`. `request_id` is null.",
  },
  unknown_type: { scope: "request", retryable: false, meaning: "`type` is not the name of a request." },
  missing_field: { scope: "request", retryable: false, meaning: "A required field is absent." },
  unknown_field: {
    scope: "request",
    retryable: false,
    meaning: "The request has no such field; often a misspelt name.",
  },
  invalid_field: {
    scope: "request",
    retryable: false,
    meaning: "A field has the wrong type, is out of range, or contradicts another field.",
  },
  session_not_found: {
    scope: "session",
    retryable: false,
    meaning:
      "This connection reaches no such session: it was never started, has ended, or belongs to others.",
  },
  read_only: {
    scope: "request",
    retryable: false,
    meaning: "This connection watches the session; it attached with `watch`.",
  },
  session_exists: {
    scope: "request",
    retryable: false,
    meaning:
      "`start_session` has the id of an open session of the same owner, or the token of an open session. Also: the connection has another session with this id.",
  },
  session_limit: {
    scope: "request",
    retryable: true,
    meaning:
      "The owner or the server has reached its maximum number of sessions, and no session can be ended in favour of a new one.",
  },
  object_not_found: {
    scope: "request",
    retryable: false,
    meaning: "The session has no object with this id.",
  },
  object_limit: {
    scope: "request",
    retryable: false,
    meaning: "The session has reached its maximum number of objects.",
  },
  concept_limit: {
    scope: "request",
    retryable: false,
    meaning: "The session has reached its maximum number of concepts, `policy.max_num_concepts`.",
  },
  frame_out_of_range: {
    scope: "request",
    retryable: false,
    meaning: "A frame index is not below `num_frames` of the session.",
  },
  nothing_prompted: {
    scope: "request",
    retryable: false,
    meaning:
      "Nothing was prompted yet. Under presets with SAM 3's rule, also: this frame was not visited by a prompt or a propagation.",
  },
  propagation_in_progress: {
    scope: "request",
    retryable: true,
    meaning: "The session is propagating already; wait for `done` or cancel.",
  },
  concept_not_found: {
    scope: "request",
    retryable: false,
    meaning: "The session has no such concept.",
  },
  mask_not_found: {
    scope: "request",
    retryable: false,
    meaning: "An object has no stored mask on a frame of the request. Propagate over the frame first.",
  },
  unsupported_by_pack: {
    scope: "request",
    retryable: false,
    meaning:
      "The model pack does not support this kind of prompt, such as text with a pack that only tracks.",
  },
  resource_not_found: {
    scope: "request",
    retryable: false,
    meaning: "No file or folder has this `resource_path`.",
  },
  resource_forbidden: {
    scope: "request",
    retryable: false,
    meaning: "`resource_path` is outside the media roots after links are resolved.",
  },
  saved_not_found: {
    scope: "request",
    retryable: false,
    meaning: "There is no such saved session; it may have expired or been deleted.",
  },
  session_saved: {
    scope: "session",
    retryable: false,
    meaning:
      "The server stopped and saved the session with this token; `saved_id` names the file for `load_session`. Only its owner gets this answer.",
  },
  saved_unreadable: {
    scope: "request",
    retryable: false,
    meaning:
      "The file is not a saved session of this version, is incomplete, or was changed after it was saved.",
  },
  saved_mismatch: {
    scope: "request",
    retryable: false,
    meaning:
      "The video of `load_session` has another size or number of frames than that of the saved session.",
  },
  saved_limit: {
    scope: "request",
    retryable: false,
    meaning: "The saved session is too large, or the owner has as many as the server keeps.",
  },
  camera_forbidden: {
    scope: "request",
    retryable: false,
    meaning: "The host of `camera_url` is not in the server's setting `cameraHosts`.",
  },
  nothing_to_undo: {
    scope: "request",
    retryable: false,
    meaning: "There is no edit that `undo` could take back, or none that `redo` could carry out again.",
  },
  wrong_session_kind: {
    scope: "request",
    retryable: false,
    meaning: "The request is for live sessions and this session is not live, or the other way round.",
  },
  media_unreadable: {
    scope: "request",
    retryable: false,
    meaning: "The file is empty or damaged, or contains no picture.",
  },
  media_unsupported: {
    scope: "request",
    retryable: false,
    meaning: "The server does not support this kind of file.",
  },
  upload_not_found: {
    scope: "request",
    retryable: false,
    meaning:
      "There is no such upload; it may have expired or been deleted, also by another program while it arrived.",
  },
  upload_too_large: {
    scope: "request",
    retryable: false,
    meaning:
      "One upload exceeds a limit: on its size, on the entries of an archive or form, or on what an archive expands to.",
  },
  upload_limit: {
    scope: "request",
    retryable: true,
    meaning:
      "The owner or the server has reached its number of uploads. Delete one, or wait until one expires.",
  },
  upload_too_slow: {
    scope: "request",
    retryable: true,
    meaning: "The body of an upload arrived more slowly than `minUploadBytesPerS`.",
  },
  quota_exceeded: {
    scope: "request",
    retryable: false,
    meaning:
      "The files of the owner, or of all owners together, would take more of the disk than the server's settings allow. Delete uploads or saved sessions first.",
  },
  disk_full: {
    scope: "request",
    retryable: true,
    meaning: "The disk of the server is full.",
  },
  prediction_too_large: {
    scope: "request",
    retryable: false,
    meaning:
      "The prompts of `predict`, times the masks for each, times the pixels of the frame, exceed `maxPredictedPixelsPerOwner`. Send fewer prompts at once.",
  },
  rate_limit: {
    scope: "request",
    retryable: true,
    meaning: "The owner, or all owners together, made more requests in a minute than the server accepts.",
  },
  server_busy: {
    scope: "request",
    retryable: true,
    meaning:
      "All places for this work are taken by other requests, such as those for opening videos or decoding pictures, and none became free in time. `limit` names the share.",
  },
  engine_restarted: {
    scope: "session",
    retryable: true,
    meaning: "The inference process ended and was replaced; the state of the session is lost.",
  },
  engine_unavailable: {
    scope: "request",
    retryable: true,
    meaning:
      "No inference process is ready: it is being restarted, or it cannot start. The server keeps trying; `/readyz` reports the state.",
  },
  engine_failed: {
    scope: "request",
    retryable: false,
    meaning: "The model failed on this request, or could not be loaded; the server's log has the cause.",
  },
  server_overloaded: {
    scope: "request",
    retryable: true,
    meaning: "The operating system refuses the server file descriptors, processes or memory.",
  },
  internal: {
    scope: "request",
    retryable: false,
    meaning: "A fault of the server; its log has the cause.",
  },
  connection_limit: {
    scope: "connection",
    retryable: true,
    meaning:
      "The client's address or the server has reached its number of connections. Sent as the HTTP answer to a request or an upgrade.",
  },
  unauthenticated: {
    scope: "connection",
    retryable: false,
    meaning: "The server requires a key, and the client sent none or an invalid one.",
  },
  message_too_large: {
    scope: "connection",
    retryable: false,
    meaning:
      "A message exceeds `maxMessageBytes`, or a binary message `maxFrameBytes`. No error message is sent: the socket closes with code 1009.",
  },
  shutting_down: { scope: "connection", retryable: true, meaning: "The server is stopping." },
} as const satisfies Record<string, ErrorFacts>;

export type ErrorCode = keyof typeof ERRORS;

/** The `error` object of an error message. */
export interface ErrorBody {
  code: ErrorCode;
  /** What was expected and what was received, for people. */
  message: string;
  /** The request field at fault, such as `points[0][1]`. */
  field?: string;
  retryable: boolean;
  /** When the same request may succeed, in whole milliseconds from now; an estimate. */
  retry_after_ms?: number;
  /** The share or limit that was exceeded, by its name in the registry. */
  limit?: string;
  /** The saved session that continues the one of the request. */
  saved_id?: string;
}

export interface ProtocolErrorOptions extends ErrorOptions {
  retryAfterMs?: number;
  limit?: string;
  savedId?: string;
}

/** An error that the client receives as it is. Any other error becomes `internal`. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  readonly retryAfterMs: number | undefined;
  readonly limit: string | undefined;
  readonly savedId: string | undefined;

  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly field?: string,
    { retryAfterMs, limit, savedId, ...options }: ProtocolErrorOptions = {},
  ) {
    super(message, options);
    this.retryAfterMs = retryAfterMs;
    this.limit = limit;
    this.savedId = savedId;
  }

  get retryable(): boolean {
    return ERRORS[this.code].retryable;
  }

  toBody(): ErrorBody {
    const { code, message, field, retryable, retryAfterMs, limit, savedId } = this;
    return {
      code,
      message,
      ...(field !== undefined && { field }),
      retryable,
      ...(retryAfterMs !== undefined && { retry_after_ms: Math.ceil(retryAfterMs) }),
      ...(limit !== undefined && { limit }),
      ...(savedId !== undefined && { saved_id: savedId }),
    };
  }
}
