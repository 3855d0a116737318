/** Sentences for tools that show the reason phrase of a failed answer and nothing of its body. */
import type { MiddlewareHandler } from "hono";
import type { AppEnvironment } from "../http/context.js";

const MAX_REASON_CHARS = 400;

/**
 * The reason phrase of a failed answer becomes the sentence of its error.
 * @param needsKey the sentence for a request without a valid key: where the tool lets people enter one
 */
export const showReasons =
  (needsKey: string): MiddlewareHandler<AppEnvironment> =>
  async (context, next) => {
    await next();
    if (context.res.status < 400) return;
    const body = (await context.res
      .clone()
      .json()
      .catch(() => undefined)) as { error?: { code?: string; message?: string } } | undefined;
    const message = body?.error?.code === "unauthenticated" ? needsKey : body?.error?.message;
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
