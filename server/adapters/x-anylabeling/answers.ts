/** Answers in the form that X-AnyLabeling expects. */
import type { Context, MiddlewareHandler } from "hono";
import type { AppEnvironment } from "../../http/context.js";
import { type HttpError, headersOf, statusOf } from "../../http/errors.js";

const MAX_REASON_CHARS = 400;

export const succeed = (context: Context<AppEnvironment>, data: object): Response =>
  context.json({ success: true, data });

export const fail = (context: Context<AppEnvironment>, error: HttpError): Response =>
  context.json({ success: false, error }, statusOf(error.code), headersOf(error));

/**
 * X-AnyLabeling shows the reason phrase of a failed answer and nothing of its body, so the phrase is the sentence of the error.
 * Answers with `success: false` and the status 200 would be ignored.
 */
export const showReasons: MiddlewareHandler<AppEnvironment> = async (context, next) => {
  await next();
  if (context.res.status < 400) return;
  const body = (await context.res
    .clone()
    .json()
    .catch(() => undefined)) as { error?: { code?: string; message?: string } } | undefined;
  const message =
    body?.error?.code === "unauthenticated"
      ? "This masklet server requires a key: enter it as the API key of the remote server."
      : body?.error?.message;
  if (message !== undefined) context.env.outgoing.statusMessage = asReason(message);
};

/** One line of the characters that a reason phrase may contain. */
function asReason(message: string): string {
  return message
    .slice(0, MAX_REASON_CHARS)
    .replaceAll("…", "...")
    .replaceAll("×", "x")
    .replace(/[^\x20-\x7e]+/g, "?");
}
