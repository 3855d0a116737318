import type { HttpBindings } from "@hono/node-server";
import type { Context, Hono } from "hono";
import type { OwnerId } from "../session-owner.js";

export interface AppEnvironment {
  Bindings: HttpBindings;
  Variables: { owner: OwnerId };
}

/** The router. Handlers reach Node's request as `context.env.incoming`. */
export type App = Hono<AppEnvironment>;

/** The owner of an identified request, see identify.ts. */
export function ownerOf(context: Context<AppEnvironment>): OwnerId {
  return context.get("owner");
}
