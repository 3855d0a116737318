/** `GET /v1/exports` and `GET /v1/sessions/ID/export/FORMAT`: the results of a session in the formats of other tools. */
import { EXPORTS_PATH, SESSIONS_PATH } from "../../../protocol/index.js";
import { readExportFile } from "../../exports/encode.js";
import { startExportThread } from "../../exports/export-thread.js";
import { packExport } from "../../exports/pack.js";
import { describeFormats, planExport } from "../../exports/plan.js";
import { previewExport } from "../../exports/preview.js";
import { toProtocolError } from "../../failure.js";
import type { Logger } from "../../log.js";
import type { Predictor } from "../../predictor.js";
import { type App, ownerOf } from "../context.js";
import { allowOnly } from "./method-not-allowed.js";

export function addExportRoutes(app: App, { sessions, shares }: Predictor, log: Logger): void {
  app.get(EXPORTS_PATH, (context) => context.json({ formats: describeFormats() }));
  app.all(EXPORTS_PATH, allowOnly("GET"));

  const path = `${SESSIONS_PATH}/:id/export/:format`;
  app.get(path, async (context) => {
    const owner = ownerOf(context);
    const id = context.req.param("id");
    const hosted = sessions.find(owner, id);
    if (!hosted) throw sessions.refusal(id);
    const session = await hosted.use();
    const { format, options, selection, isPreview } = planExport(
      context.req.param("format"),
      context.req.query(),
    );
    const { outgoing } = context.env;
    const reader = new AbortController();
    const lease = shares.take("transfers", owner);
    let end = async () => {};
    outgoing.once("close", () => {
      reader.abort(new Error("the reader disconnected"));
      lease.release();
      void end();
    });
    const source = await session.exportSource(selection, reader.signal);
    const thread = startExportThread(format, options, source);
    end = thread.close;
    if (isPreview) return context.json(await previewExport(format, source, thread.files()));
    const { fileName, contentType, body } = await packExport(
      format,
      source.facts.name,
      thread.files(),
      readExportFile,
    );
    return context.body(
      toBody(body, { onChunk: hosted.touch, onError: (error) => toProtocolError(error, log) }),
      200,
      {
        "content-type": contentType,
        "content-disposition": `attachment; filename*=UTF-8''${encodeURIComponent(fileName)}`,
      },
    );
  });
  app.all(path, allowOnly("GET"));
}

/** The reader pulls each chunk. */
function toBody(
  chunks: AsyncIterable<Uint8Array>,
  { onChunk, onError }: { onChunk(): void; onError(error: unknown): Error },
): ReadableStream<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]();
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const { done, value } = await iterator.next();
          onChunk();
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          // The status is sent. The connection ends before the body is complete.
          controller.error(onError(error));
        }
      },
      async cancel() {
        await iterator.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}
