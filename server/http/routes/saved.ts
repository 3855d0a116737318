/** `GET` and `POST /v1/saved`, `GET /v1/saved/ID` and `DELETE /v1/saved/ID`: the files of saved sessions. */
import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { type AnswerOf, ProtocolError, SAVED_PATH } from "../../../protocol/index.js";
import type { SavedStore } from "../../saved/store.js";
import { type App, ownerOf } from "../context.js";
import { allowOnly } from "./method-not-allowed.js";

export function addSavedRoutes(app: App, saved: SavedStore): void {
  app.post(SAVED_PATH, async (context) => {
    const { incoming, outgoing } = context.env;
    const owner = ownerOf(context);
    const sender = new AbortController();
    outgoing.once("close", () => {
      if (!outgoing.writableFinished) sender.abort(new Error("the sender disconnected"));
    });
    const { savedId, bytes, sha256 } = await saved.receive(owner, incoming, {
      signal: sender.signal,
      contentLength: Number(incoming.headers["content-length"] ?? 0),
    });
    // The answer cannot be delivered, so no client has the id.
    if (sender.signal.aborted) await saved.remove(owner, savedId);
    const answer: Pick<AnswerOf<"save_session">, "saved_id" | "bytes" | "sha256"> = {
      saved_id: savedId,
      bytes,
      sha256,
    };
    return context.json(answer, 201);
  });
  app.get(SAVED_PATH, async (context) => context.json({ saved: await saved.list(ownerOf(context)) }));
  app.all(SAVED_PATH, allowOnly("GET", "POST"));

  app.get(`${SAVED_PATH}/:id`, async (context) => {
    const owner = ownerOf(context);
    const { path, bytes } = await saved.find(owner, context.req.param("id"));
    const body = Readable.toWeb(createReadStream(path)) as ReadableStream;
    return context.body(body, 200, {
      "content-type": "application/zip",
      "content-length": String(bytes),
      "content-disposition": 'attachment; filename="session.masklet"',
    });
  });
  app.delete(`${SAVED_PATH}/:id`, async (context) => {
    const owner = ownerOf(context);
    if (await saved.remove(owner, context.req.param("id"))) return context.body(null, 204);
    throw new ProtocolError("saved_not_found", "There is no such saved session.", "saved_id");
  });
  app.all(`${SAVED_PATH}/:id`, allowOnly("GET", "DELETE"));
}
