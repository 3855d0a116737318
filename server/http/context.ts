import type { HttpBindings } from "@hono/node-server";
import type { Context, Hono } from "hono";
import { type OwnerId, ownerOfAddress } from "../session-owner.js";

/** The router. Handlers reach Node's request as `context.env.incoming`. */
export type App = Hono<{ Bindings: HttpBindings }>;

/** The owner of a request. */
export function ownerOf(context: Context<{ Bindings: HttpBindings }>): OwnerId {
  return ownerOfAddress(context.env.incoming.socket.remoteAddress);
}
