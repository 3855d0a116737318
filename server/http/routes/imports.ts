/** `GET /v1/imports` and `POST /v1/sessions/ID/import?format=&as=`: annotations of other tools as prompts or locked frames of a session. */
import { bodyLimit } from "hono/body-limit";
import { z } from "zod";
import { IMPORTS_PATH, ProtocolError, parseFields, SESSIONS_PATH } from "../../../protocol/index.js";
import { applyImport, toImportProblem } from "../../imports/apply.js";
import { describeImportFormats, EXPORT_ONLY, IMPORT_FORMATS } from "../../imports/formats.js";
import { startImportThread } from "../../imports/import-thread.js";
import type { Predictor } from "../../predictor.js";
import { type App, ownerOf } from "../context.js";
import { sendError } from "../errors.js";
import { allowOnly } from "./method-not-allowed.js";

/** Of the file, as it is sent. */
const MAX_BYTES = 128 * 1024 * 1024;

const ids = IMPORT_FORMATS.map(({ id }) => id);

const querySchema = z.strictObject({
  format: z.enum(ids),
  as: z.enum(["prompts", "locked"]).default("prompts"),
});

export function addImportRoutes(app: App, { sessions, shares }: Predictor): void {
  const limit = bodyLimit({
    maxSize: MAX_BYTES,
    onError: (context) => {
      const message = `The file has more than ${MAX_BYTES} bytes. Import a part of it, or send it as a ZIP archive.`;
      return sendError(
        context,
        { code: "message_too_large", message, retryable: false },
        { connection: "close" },
      );
    },
  });
  app.get(IMPORTS_PATH, (context) => context.json({ formats: describeImportFormats() }));
  app.all(IMPORTS_PATH, allowOnly("GET"));

  const path = `${SESSIONS_PATH}/:id/import`;
  app.post(path, limit, async (context) => {
    const owner = ownerOf(context);
    const id = context.req.param("id") ?? "";
    const hosted = sessions.find(owner, id);
    if (!hosted) throw sessions.refusal(id);
    const session = await hosted.use();
    const query = context.req.query();
    const reason = EXPORT_ONLY.get(query.format ?? "");
    if (reason !== undefined) {
      const message = `format: ${query.format} cannot be imported, ${reason}.`;
      throw new ProtocolError("invalid_field", message, "format");
    }
    const { format, as } = parseFields(querySchema, query);
    const lease = shares.take("transfers", owner);
    const sender = new AbortController();
    context.env.outgoing.once("close", () => sender.abort(new Error("the sender disconnected")));
    try {
      const bytes = new Uint8Array(await context.req.arrayBuffer());
      const { width, height, num_frames: numFrames, fps } = session.facts;
      const video = { width, height, numFrames, fps };
      const thread = startImportThread({ formatId: format, bytes, video });
      try {
        return context.json({
          format,
          as,
          ...(await applyImport(session, thread.items(), as, sender.signal)),
        });
      } catch (error) {
        throw toImportProblem(error);
      } finally {
        await thread.close();
      }
    } finally {
      lease.release();
    }
  });
  app.all(path, allowOnly("POST"));
}
