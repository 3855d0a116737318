/** `GET /v1/sessions/ID/media`: the bytes of the video, from the file that the session has open. */
import { SESSIONS_PATH } from "../../../protocol/index.js";
import type { Logger } from "../../log.js";
import type { Predictor } from "../../predictor.js";
import type { App } from "../context.js";
import { sendError } from "../errors.js";
import { answerWithFile } from "../file-answer.js";
import { allowOnly } from "./method-not-allowed.js";
import { sessionOf } from "./reach.js";

export function addContentRoute(app: App, predictor: Predictor, log: Logger): void {
  const path = `${SESSIONS_PATH}/:id/media`;
  app.get(path, async (context) => {
    const { hosted, session } = await sessionOf(context, predictor);
    const { file } = session.media;
    if (file) return answerWithFile(context, file, log, { onPart: hosted.touch });
    const message = `This session has no single file: it is a ${session.facts.kind === "live" ? "live session" : "folder of pictures"}.`;
    return sendError(context, { code: "no_single_file", message, retryable: false });
  });
  app.all(path, allowOnly("GET"));
}
