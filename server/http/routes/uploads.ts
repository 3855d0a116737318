/** `POST /v1/uploads`, `GET` and `DELETE /v1/uploads/ID`. */
import {
  ProtocolError,
  parseFields,
  UPLOADS_PATH,
  type UploadFacts,
  uploadQuerySchema,
} from "../../../protocol/index.js";
import { mediaFields } from "../../media-fields.js";
import type { UploadStore } from "../../uploads/store.js";
import type { Upload } from "../../uploads/upload.js";
import { type App, ownerOf } from "../context.js";
import { allowOnly } from "./method-not-allowed.js";

export function addUploadRoutes(app: App, uploads: UploadStore): void {
  app.post(UPLOADS_PATH, async (context) => {
    const { filename } = parseFields(uploadQuerySchema, context.req.query());
    const { incoming, outgoing } = context.env;
    const owner = ownerOf(context);
    const sender = new AbortController();
    let stored: string | undefined;
    // A sender that disconnects before the answer arrives has no use for the upload: it does not have the id.
    outgoing.once("close", () => {
      if (outgoing.writableFinished) return;
      sender.abort(new Error("the sender disconnected"));
      if (stored !== undefined) void uploads.remove(stored, owner);
    });
    const { headers } = incoming;
    const contentType = headers["content-type"];
    const upload = await uploads.receive(incoming, {
      contentLength: Number(headers["content-length"] ?? 0),
      owner,
      signal: sender.signal,
      ...(contentType !== undefined && { contentType }),
      ...(filename !== undefined && { filename }),
    });
    stored = upload.uploadId;
    return context.json(uploadFields(upload), 201);
  });
  app.all(UPLOADS_PATH, allowOnly("POST"));

  app.get(`${UPLOADS_PATH}/:id`, async (context) =>
    context.json(uploadFields(await uploads.find(context.req.param("id"), ownerOf(context)))),
  );
  app.delete(`${UPLOADS_PATH}/:id`, async (context) => {
    if (await uploads.remove(context.req.param("id"), ownerOf(context))) return context.body(null, 204);
    throw new ProtocolError("upload_not_found", "No such upload.", "upload_id");
  });
  app.all(`${UPLOADS_PATH}/:id`, allowOnly("GET", "DELETE"));
}

/** The facts of an upload as an answer. */
export function uploadFields({ uploadId, filename, bytes, facts, taken, leftOut }: Upload): UploadFacts {
  return {
    upload_id: uploadId,
    filename,
    ...mediaFields(facts),
    codec: facts.codec,
    ...(taken && { taken }),
    ...(leftOut && { left_out: leftOut.files, left_out_count: leftOut.count }),
    bytes,
  };
}
