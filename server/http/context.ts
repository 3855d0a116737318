import type { HttpBindings } from "@hono/node-server";
import type { Hono } from "hono";

/** The router. Handlers reach Node's request as `context.env.incoming`. */
export type App = Hono<{ Bindings: HttpBindings }>;
