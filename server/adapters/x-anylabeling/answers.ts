/** Answers in the form that X-AnyLabeling expects. */
import type { Context } from "hono";
import type { AppEnvironment } from "../../http/context.js";
import { type HttpError, headersOf, statusOf } from "../../http/errors.js";
import { showReasons } from "../reasons.js";

export const succeed = (context: Context<AppEnvironment>, data: object): Response =>
  context.json({ success: true, data });

export const fail = (context: Context<AppEnvironment>, error: HttpError): Response =>
  context.json({ success: false, error }, statusOf(error.code), headersOf(error));

/** X-AnyLabeling ignores answers with `success: false` and the status 200, and shows the reason phrase of others. */
export const reasons = showReasons(
  "This masklet server requires a key: enter it as the API key of the remote server.",
);
