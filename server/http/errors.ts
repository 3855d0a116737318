/** Errors over HTTP: the `error` object of the socket's error message, with an HTTP status. */
import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { ErrorBody, ErrorCode } from "../../protocol/index.js";

/** Codes of the protocol, and codes that exist over HTTP only. */
export type HttpErrorCode =
  | ErrorCode
  | "malformed_request"
  | "not_found"
  | "method_not_allowed"
  | "origin_forbidden"
  | "host_forbidden"
  | "no_single_file"
  | "range_not_satisfiable"
  | "bad_upgrade";

export type HttpError = Omit<ErrorBody, "code"> & { code: HttpErrorCode };

/** One for each code, so that a new code without a status does not compile. */
const STATUSES: Readonly<Record<HttpErrorCode, ContentfulStatusCode>> = {
  malformed_request: 400,
  malformed_json: 400,
  binary_not_expected: 400,
  unknown_type: 400,
  missing_field: 400,
  invalid_field: 400,
  unknown_field: 400,
  frame_out_of_range: 400,
  unsupported_by_pack: 400,
  bad_upgrade: 400,
  unauthenticated: 401,
  origin_forbidden: 403,
  resource_forbidden: 403,
  camera_forbidden: 403,
  read_only: 403,
  not_found: 404,
  no_single_file: 404,
  upload_not_found: 404,
  saved_not_found: 404,
  resource_not_found: 404,
  session_not_found: 404,
  object_not_found: 404,
  concept_not_found: 404,
  method_not_allowed: 405,
  upload_too_slow: 408,
  session_exists: 409,
  propagation_in_progress: 409,
  nothing_prompted: 409,
  mask_not_found: 409,
  nothing_to_undo: 409,
  wrong_session_kind: 409,
  object_limit: 409,
  concept_limit: 409,
  engine_restarted: 410,
  session_saved: 410,
  message_too_large: 413,
  upload_too_large: 413,
  quota_exceeded: 413,
  prediction_too_large: 413,
  saved_limit: 413,
  media_unsupported: 415,
  range_not_satisfiable: 416,
  host_forbidden: 421,
  media_unreadable: 422,
  saved_unreadable: 422,
  saved_mismatch: 422,
  session_limit: 429,
  upload_limit: 429,
  rate_limit: 429,
  engine_failed: 500,
  internal: 500,
  connection_limit: 503,
  engine_unavailable: 503,
  server_overloaded: 503,
  server_busy: 503,
  shutting_down: 503,
  disk_full: 507,
};

/** After these the connection ends. */
const CLOSING: ReadonlySet<HttpErrorCode> = new Set([
  "connection_limit",
  "engine_unavailable",
  "server_overloaded",
  "shutting_down",
]);

export function statusOf(code: HttpErrorCode): ContentfulStatusCode {
  return STATUSES[code];
}

export function sendError(
  context: Context,
  error: HttpError,
  headers: Record<string, string> = {},
): Response {
  return context.json({ error }, statusOf(error.code), { ...headersOf(error), ...headers });
}

/** Headers of the answer to a failed request. */
export function headersOf({ code, retry_after_ms }: HttpError): Record<string, string> {
  return {
    // The server needs the socket for other clients, or is stopping.
    ...(CLOSING.has(code) && { connection: "close" }),
    ...(retry_after_ms !== undefined && { "retry-after": String(Math.ceil(retry_after_ms / 1000)) }),
  };
}
