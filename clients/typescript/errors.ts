import type { ErrorCode } from "../../protocol/index.js";

/**
 * The codes of the server, and those of the client: `session_detached` when another connection took the session over or
 * closed it, `results_lost` when results were dropped by the server before the client was connected again.
 */
export type ClientErrorCode =
  | ErrorCode
  | "connection_failed"
  | "connection_lost"
  | "session_detached"
  | "results_lost"
  | "no_image";

/** The shape in which the server reports failures, on the socket and over HTTP. */
export interface ReportedError {
  /** One of {@link ClientErrorCode}; a newer server may have more. */
  code: ClientErrorCode | (string & {});
  message: string;
  field?: string;
  retryable: boolean;
  retry_after_ms?: number;
  limit?: string;
  saved_id?: string;
}

/** The error of every promise and stream of the client. */
export class MaskletError extends Error {
  override readonly name = "MaskletError";
  readonly code: ReportedError["code"];
  /** The request field at fault, such as `points[0][1]`. */
  readonly field: string | undefined;
  /** Whether the same request may succeed later, unchanged. */
  readonly retryable: boolean;
  /** When the same request may succeed, in milliseconds from the answer. */
  readonly retryAfterMs: number | undefined;
  /** The share or limit of the server that was exceeded. */
  readonly limit: string | undefined;
  /** With `session_saved`: the saved session, for `loadSession`. */
  readonly savedId: string | undefined;

  constructor(
    { code, message, field, retryable, retry_after_ms, limit, saved_id }: ReportedError,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.code = code;
    this.field = field;
    this.retryable = retryable;
    this.retryAfterMs = retry_after_ms;
    this.limit = limit;
    this.savedId = saved_id;
  }
}
