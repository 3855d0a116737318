import type { Context } from "hono";
import { sendError } from "../errors.js";

/** The last handler of a path: answers every method that no other handler of the path answers. */
export function allowOnly(...methods: string[]) {
  const allow = methods.join(", ");
  return (context: Context): Response =>
    sendError(
      context,
      {
        code: "method_not_allowed",
        message: `${context.req.method} is not allowed here; use ${allow}.`,
        retryable: false,
      },
      { allow },
    );
}
