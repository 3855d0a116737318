/** What every adapter is: routes under prefixes, each an ordinary client of the predictor. */
import type { MiddlewareHandler } from "hono";
import type { ServerConfig } from "../config.js";
import type { App, AppEnvironment } from "../http/context.js";
import type { Logger } from "../log.js";
import type { Predictor } from "../predictor.js";

export type AdapterSettings = Pick<
  ServerConfig,
  "adapters" | "cvatLabels" | "labelStudioUrl" | "labelStudioToken" | "labelStudioHosts"
>;

export interface AdapterParts {
  predictor: Predictor;
  settings: AdapterSettings;
  log: Logger;
}

export interface Adapter {
  /** The paths below them belong to the adapter, such as `/x-anylabeling`. */
  prefixes: readonly string[];
  /** A header besides Authorization in which the tool sends the key of the server, in lower case. */
  keyHeader?: string;
  /** Runs around every request of the prefixes, refused ones included. */
  around?: MiddlewareHandler<AppEnvironment>;
  /** Adds the routes. Every request that reaches them has an owner. */
  add(app: App): void;
}
