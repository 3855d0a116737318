/** The errors of each request. PROTOCOL.md lists them from here; the client of the tests rejects any other. */
import type { ErrorCode } from "./errors.js";
import type { RequestType } from "./requests.js";

/** Errors of every request. */
export const COMMON_ERRORS = [
  "missing_field",
  "unknown_field",
  "invalid_field",
  "rate_limit",
  "unauthenticated",
  "internal",
  "shutting_down",
] as const satisfies readonly ErrorCode[];

/** Errors of every request with a `session_id`, except `start_session`, which chooses one. */
export const SESSION_ERRORS = [
  "session_not_found",
  "read_only",
  "engine_restarted",
  "engine_failed",
  "engine_unavailable",
] as const satisfies readonly ErrorCode[];

/** The further errors of each request. */
export const REQUEST_ERRORS = {
  start_session: [
    "resource_not_found",
    "resource_forbidden",
    "upload_not_found",
    "media_unreadable",
    "media_unsupported",
    "camera_forbidden",
    "session_exists",
    "session_not_found",
    "session_limit",
    "server_overloaded",
    "server_busy",
    "engine_restarted",
    "engine_failed",
    "engine_unavailable",
  ],
  add_prompt: [
    "frame_out_of_range",
    "wrong_session_kind",
    "unsupported_by_pack",
    "object_limit",
    "concept_limit",
    "nothing_prompted",
    "media_unreadable",
    "server_overloaded",
    "server_busy",
  ],
  save_session: ["wrong_session_kind", "saved_limit", "quota_exceeded", "disk_full", "server_overloaded"],
  load_session: [
    "saved_not_found",
    "saved_unreadable",
    "saved_mismatch",
    "resource_not_found",
    "resource_forbidden",
    "upload_not_found",
    "media_unreadable",
    "media_unsupported",
    "unsupported_by_pack",
    "session_exists",
    "session_limit",
    "server_overloaded",
    "server_busy",
    "engine_restarted",
    "engine_failed",
    "engine_unavailable",
  ],
  predict: [
    "prediction_too_large",
    "frame_out_of_range",
    "wrong_session_kind",
    "unsupported_by_pack",
    "media_unreadable",
    "server_overloaded",
    "server_busy",
  ],
  propagate_in_video: [
    "nothing_prompted",
    "propagation_in_progress",
    "object_not_found",
    "wrong_session_kind",
    "frame_out_of_range",
    "media_unreadable",
    "server_overloaded",
    "server_busy",
  ],
  cancel_propagation: [],
  remove_object: ["object_not_found"],
  reset_session: [],
  close_session: [],
  get_session: [],
  list_suspects: [],
  undo: ["nothing_to_undo", "wrong_session_kind"],
  redo: ["nothing_to_undo", "wrong_session_kind"],
  attach_session: ["session_not_found", "session_exists", "session_saved"],
  detach_session: [],
  authenticate: [],
  get_server: ["engine_failed"],
  lock_frames: [
    "object_not_found",
    "frame_out_of_range",
    "mask_not_found",
    "propagation_in_progress",
    "unsupported_by_pack",
  ],
  mark_absent: ["object_not_found", "frame_out_of_range", "propagation_in_progress"],
  merge_objects: [
    "object_not_found",
    "frame_out_of_range",
    "propagation_in_progress",
    "unsupported_by_pack",
    "media_unreadable",
    "server_overloaded",
    "server_busy",
  ],
  split_object: [
    "object_not_found",
    "frame_out_of_range",
    "mask_not_found",
    "object_limit",
    "propagation_in_progress",
    "unsupported_by_pack",
    "media_unreadable",
    "server_overloaded",
    "server_busy",
  ],
  swap_objects: [
    "object_not_found",
    "frame_out_of_range",
    "mask_not_found",
    "propagation_in_progress",
    "unsupported_by_pack",
    "media_unreadable",
    "server_overloaded",
    "server_busy",
  ],
  rename: ["object_not_found", "concept_not_found"],
  remove_concept: ["concept_not_found"],
} as const satisfies Record<RequestType, readonly ErrorCode[]>;

/** The further errors of `push_frame`. */
export const PUSH_ERRORS = [
  "wrong_session_kind",
  "media_unreadable",
  "media_unsupported",
  "server_overloaded",
  "server_busy",
] as const satisfies readonly ErrorCode[];

/** Errors of messages that are not a request. Their `request_id` is null, except that of `unknown_type`. */
export const MESSAGE_ERRORS = [
  "malformed_json",
  "binary_not_expected",
  "unknown_type",
] as const satisfies readonly ErrorCode[];

/** Errors of uploads over HTTP. */
export const UPLOAD_ERRORS = {
  POST: [
    "unknown_field",
    "invalid_field",
    "upload_too_large",
    "upload_too_slow",
    "upload_limit",
    "upload_not_found",
    "quota_exceeded",
    "disk_full",
    "media_unreadable",
    "media_unsupported",
    "server_overloaded",
    "server_busy",
    "shutting_down",
    "internal",
  ],
  GET: ["upload_not_found", "internal"],
  DELETE: ["upload_not_found", "internal"],
} as const satisfies Record<string, readonly ErrorCode[]>;

/** Requests that start or name no session by its id. */
const NO_SESSION: ReadonlySet<RequestType> = new Set([
  "start_session",
  "load_session",
  "attach_session",
  "authenticate",
  "get_server",
]);

/** True when a request of this type may be answered with this error. */
export function mayFailWith(type: RequestType, code: ErrorCode): boolean {
  const lists: readonly (readonly ErrorCode[])[] = [
    COMMON_ERRORS,
    REQUEST_ERRORS[type],
    NO_SESSION.has(type) ? [] : SESSION_ERRORS,
  ];
  return lists.some((list) => list.includes(code));
}
