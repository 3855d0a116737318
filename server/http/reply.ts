import type { ServerResponse } from "node:http";
import type { ErrorCode } from "../../protocol/index.js";

/** Errors that exist only over HTTP. */
export type HttpErrorCode =
  | ErrorCode
  | "not_found"
  | "method_not_allowed"
  | "origin_forbidden"
  | "bad_upgrade";

/** HTTP statuses of the codes a request over HTTP can meet; all others are faults of the server. */
const statuses: Partial<Record<HttpErrorCode, number>> = {
  invalid_field: 400,
  bad_upgrade: 400,
  origin_forbidden: 403,
  not_found: 404,
  upload_not_found: 404,
  method_not_allowed: 405,
  upload_too_large: 413,
  media_unsupported: 415,
  media_unreadable: 422,
  shutting_down: 503,
};

export interface HttpErrorBody {
  code: HttpErrorCode;
  message: string;
  field?: string;
  retryable: boolean;
}

export function statusOf(code: HttpErrorCode): number {
  return statuses[code] ?? 500;
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    "content-type": "application/json; charset=utf-8",
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...headers,
  });
  response.end(text);
}

/** The same shape as an error on the socket. */
export function sendError(
  response: ServerResponse,
  error: HttpErrorBody,
  headers: Record<string, string> = {},
): void {
  sendJson(response, statusOf(error.code), { error }, headers);
}
