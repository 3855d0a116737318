/** `GET /v1/media`: the files and folders that `start_session` can open by their path. */
import { MEDIA_PATH, mediaQuerySchema, parseQuery } from "../../../protocol/index.js";
import type { Predictor } from "../../predictor.js";
import type { App } from "../context.js";
import { allowOnly } from "./method-not-allowed.js";

export function addMediaRoute(app: App, predictor: Predictor): void {
  app.get(MEDIA_PATH, async (context) => {
    const { folder } = parseQuery(mediaQuerySchema, context.req.query());
    return context.json(await predictor.listMedia(folder));
  });
  app.all(MEDIA_PATH, allowOnly("GET"));
}
