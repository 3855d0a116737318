/** Middleware that checks who sends a request, and how many requests its owner makes. */
import type { IncomingMessage } from "node:http";
import type { Context, MiddlewareHandler } from "hono";
import type { ProtocolError } from "../../protocol/index.js";
import { keyRequired } from "../keys/key-check.js";
import type { Shares } from "../shares/shares.js";
import type { Admission } from "./admission.js";
import type { AppEnvironment } from "./context.js";
import { type HttpError, sendError } from "./errors.js";

/** Sets the owner of the request. The removal of its key destroys the socket of a request that is not answered yet. */
export function identifyOwner(
  admission: Admission,
  shares: Pick<Shares, "countRequest">,
): MiddlewareHandler<AppEnvironment> {
  return async (context, next) => {
    const { incoming, outgoing } = context.env;
    const { visitor, error } = await admission.identify(incoming, outgoing);
    if (error) return sendRefusal(context, error);
    const { owner, key } = visitor;
    if (owner === undefined) {
      return sendRefusal(context, admission.refuse(incoming, keyRequired().toBody()));
    }
    try {
      await shares.countRequest(owner);
    } catch (cause) {
      return sendRefusal(context, admission.refuse(incoming, (cause as ProtocolError).toBody(), { owner }));
    }
    const forget = key?.onRemoved(() => incoming.socket.destroy());
    if (forget) outgoing.once("close", forget);
    context.set("owner", owner);
    return next();
  };
}

/** The answer to a request that is not served. */
export function sendRefusal(context: Context<AppEnvironment>, error: HttpError): Response {
  const { incoming } = context.env;
  return sendError(context, error, {
    ...(error.code === "unauthenticated" && { "www-authenticate": challengesFor(incoming) }),
    // The body is not read, so the socket cannot serve another request.
    ...(hasBody(incoming) && { connection: "close" }),
  });
}

/**
 * Basic only for programs: a browser would ask its user for a name and a password, and send them with later requests of every
 * page.
 */
export function challengesFor({ headers }: IncomingMessage): string {
  const isBrowser = headers.origin !== undefined || headers["sec-fetch-mode"] !== undefined;
  return isBrowser ? 'Bearer realm="masklet"' : 'Bearer realm="masklet", Basic realm="masklet"';
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}
