/**
 * What an error ends. `request`: only the request that caused it. `session`: the session is gone, the socket goes on.
 * `connection`: the socket closes.
 */
export type ErrorScope = "request" | "session" | "connection";

export interface ErrorFacts {
  scope: ErrorScope;
  /** True when the same request may succeed later, unchanged (after starting the session anew when scope is session). */
  retryable: boolean;
  meaning: string;
}

/** Every error a client can meet. Codes never change their meaning; new ones may be added. */
export const ERRORS = {
  malformed_json: {
    scope: "request",
    retryable: false,
    meaning: "The message is not one JSON object. The answer's `request_id` is null.",
  },
  binary_not_expected: {
    scope: "request",
    retryable: false,
    meaning: "A binary message came; requests are text. The answer's `request_id` is null.",
  },
  unknown_type: { scope: "request", retryable: false, meaning: "`type` names no request." },
  missing_field: { scope: "request", retryable: false, meaning: "A required field is absent." },
  unknown_field: {
    scope: "request",
    retryable: false,
    meaning: "A field that this request does not have; often a typing mistake.",
  },
  invalid_field: {
    scope: "request",
    retryable: false,
    meaning: "A field has the wrong type, is out of range, or contradicts another field.",
  },
  session_not_found: {
    scope: "session",
    retryable: false,
    meaning: "No such session: never started, closed, expired, or another connection's.",
  },
  session_exists: {
    scope: "request",
    retryable: false,
    meaning: "`start_session` chose an id that this connection uses already.",
  },
  session_limit: {
    scope: "request",
    retryable: true,
    meaning: "This connection or the server has as many sessions as it may.",
  },
  object_not_found: { scope: "request", retryable: false, meaning: "The session has no object of that id." },
  object_limit: { scope: "request", retryable: false, meaning: "The session has as many objects as it may." },
  frame_out_of_range: {
    scope: "request",
    retryable: false,
    meaning: "A frame index is not below the session's `num_frames`.",
  },
  nothing_prompted: {
    scope: "request",
    retryable: false,
    meaning: "Propagation needs a prompt first.",
  },
  propagation_in_progress: {
    scope: "request",
    retryable: true,
    meaning: "One propagation at a time in a session; wait for `done` or cancel.",
  },
  unsupported_by_pack: {
    scope: "request",
    retryable: false,
    meaning: "The model pack cannot do this, for example text with a tracker-only pack.",
  },
  resource_not_found: {
    scope: "request",
    retryable: false,
    meaning: "`resource_path` names no file or folder.",
  },
  resource_forbidden: {
    scope: "request",
    retryable: false,
    meaning: "`resource_path` lies outside the media roots once links are resolved.",
  },
  media_unreadable: {
    scope: "request",
    retryable: false,
    meaning: "The file is empty, damaged, or holds no picture.",
  },
  media_unsupported: {
    scope: "request",
    retryable: false,
    meaning: "The file is no video, image or folder of images that the server takes.",
  },
  upload_not_found: { scope: "request", retryable: false, meaning: "No such upload, or it was deleted." },
  upload_too_large: { scope: "request", retryable: false, meaning: "The upload exceeds the server's limit." },
  engine_restarted: {
    scope: "session",
    retryable: true,
    meaning: "The inference process died and was replaced; what the session had in it is lost.",
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
    meaning: "Inference failed on this request; the server's log has the cause.",
  },
  internal: {
    scope: "request",
    retryable: false,
    meaning: "A fault of the server; its log has the cause.",
  },
  message_too_large: {
    scope: "connection",
    retryable: false,
    meaning: "A message exceeds the limit. No error message is sent: the socket closes with code 1009.",
  },
  shutting_down: { scope: "connection", retryable: true, meaning: "The server is stopping." },
} as const satisfies Record<string, ErrorFacts>;

export type ErrorCode = keyof typeof ERRORS;

/** The `error` object of an error message. */
export interface ErrorBody {
  code: ErrorCode;
  /** What was seen and what was expected, for a person. */
  message: string;
  /** The request field at fault, such as `points[0][1]`. */
  field?: string;
  retryable: boolean;
}

/** A failure that is told to the client as it is. Anything else that is thrown becomes `internal`. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";

  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly field?: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  get retryable(): boolean {
    return ERRORS[this.code].retryable;
  }

  toBody(): ErrorBody {
    const { code, message, field, retryable } = this;
    return field === undefined ? { code, message, retryable } : { code, message, field, retryable };
  }
}
