/** Health for process supervisors and load balancers. */
import type { Context } from "hono";
import type { Predictor } from "../../predictor.js";
import type { App } from "../context.js";
import { allowOnly } from "./method-not-allowed.js";

export const LIVENESS_PATH = "/livez";

/** `/livez` answers while the process runs, whatever the state of the engine. */
export function addLivenessRoute(app: App): void {
  app.get(LIVENESS_PATH, (context) => context.json({ status: "ok" })).all(LIVENESS_PATH, allowOnly("GET"));
}

/** `/readyz`, and `/healthz` as its alias: 200 while requests can be served, 503 otherwise. */
export function addHealthRoutes(app: App, predictor: Predictor): void {
  const readiness = (context: Context): Response => {
    const { sessions, state, reason, pack } = predictor.stats();
    const isReady = state === "ready";
    return context.json(
      {
        status: isReady ? "ok" : "unavailable",
        state,
        ...(!isReady && { reason }),
        ...(pack && {
          pack: { id: pack.id, family: pack.family, version: pack.version },
          provider: pack.provider,
        }),
        sessions,
      },
      isReady ? 200 : 503,
    );
  };
  for (const path of ["/readyz", "/healthz"]) app.get(path, readiness).all(path, allowOnly("GET"));
}
