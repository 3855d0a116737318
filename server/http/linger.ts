/** The end of a connection whose request was answered before its body arrived completely. */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { HttpBindings } from "@hono/node-server";
import type { MiddlewareHandler } from "hono";
import { FIXED_LIMITS } from "../../protocol/index.js";

/** More than networks and the buffers of a sender hold. */
const MAX_DISCARDED_BYTES = 64 * 1024 ** 2;

/**
 * The rest of such a body is not wanted. The answer has `Connection: close`, at which clients stop sending. The server does
 * not destroy the socket at once: the reset that unread bytes cause would take the answer away from a client that still sends.
 * It closes its own side, and discards what arrives for a short time.
 */
export const closeUnread: MiddlewareHandler<{ Bindings: HttpBindings }> = async (context, next) => {
  await next();
  const { incoming } = context.env;
  if (incoming.complete || incoming.destroyed) return;
  context.header("connection", "close");
  linger(incoming, incoming.socket);
};

/** Replaces how Node ends the socket after the answer. */
function linger(incoming: IncomingMessage, socket: Socket): void {
  let isLingering = false;
  socket.destroySoon = () => {
    if (isLingering || socket.destroyed) return;
    isLingering = true;
    let discardedBytes = 0;
    const timer = setTimeout(() => socket.destroy(), FIXED_LIMITS.refusalMs.value);
    socket.once("close", () => clearTimeout(timer));
    // Readers that have left would pause the body.
    for (const event of ["data", "readable"]) incoming.removeAllListeners(event);
    incoming.on("data", (chunk: Buffer) => {
      discardedBytes += chunk.length;
      if (discardedBytes > MAX_DISCARDED_BYTES) socket.destroy();
    });
    incoming.once("end", () => socket.destroy());
    incoming.resume();
    socket.end();
  };
}
