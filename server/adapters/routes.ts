/** What the routes of adapters share. */
import type { Context, Handler, MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { ProtocolError } from "../../protocol/index.js";
import { toProtocolError } from "../failure.js";
import type { AppEnvironment } from "../http/context.js";
import type { HttpError } from "../http/errors.js";
import type { Logger } from "../log.js";
import { type FieldNames, withFieldNames } from "./field-names.js";

export type Answerer = (context: Context<AppEnvironment>) => Promise<Response> | Response;

/** Writes an error in the form of the tool. */
export type Fail = (context: Context<AppEnvironment>, error: HttpError) => Response;

/** Failures become answers in the form of the tool. Answers to a client that has left are lost anyway. */
export const handled =
  (log: Logger, fail: Fail, names: FieldNames = {}) =>
  (answer: Answerer): Handler<AppEnvironment> =>
  async (context) => {
    try {
      return await answer(context);
    } catch (cause) {
      const { incoming, outgoing } = context.env;
      if (incoming.readableAborted || outgoing.destroyed) return context.body(null, 400);
      return fail(context, toProtocolError(withFieldNames(cause, names), log).toBody());
    }
  };

export const limitBody = (maxBytes: number, fail: Fail): MiddlewareHandler<AppEnvironment> =>
  bodyLimit({
    maxSize: maxBytes,
    onError: (context) => {
      const message = `The body has more than ${maxBytes} bytes.`;
      return fail(context as Context<AppEnvironment>, {
        code: "message_too_large",
        message,
        retryable: false,
      });
    },
  });

/** @throws ProtocolError malformed_json */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ProtocolError("malformed_json", "The body: expected JSON.", undefined, { cause });
  }
}
