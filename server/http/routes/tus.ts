/** `/v1/uploads/tus`: resumable uploads. */
import type { Context, MiddlewareHandler } from "hono";
import { TUS_PATH } from "../../../protocol/index.js";
import { toProtocolError } from "../../failure.js";
import type { Logger } from "../../log.js";
import type { UploadStore } from "../../uploads/store.js";
import { createTusHandler, UPLOAD_ID_HEADER } from "../../uploads/tus.js";
import { type App, ownerOf } from "../context.js";
import { type HttpError, type HttpErrorCode, headersOf, statusOf } from "../errors.js";
import { allowOnly } from "./method-not-allowed.js";
import { uploadFields } from "./uploads.js";

/** Headers that pages of other origins may send and read. */
export const TUS_REQUEST_HEADERS = [
  ...["tus-resumable", "upload-length", "upload-defer-length", "upload-metadata", "upload-offset"],
  "x-http-method-override",
];
export const TUS_RESPONSE_HEADERS = [
  ...["location", "tus-resumable", "tus-version", "tus-extension", "tus-max-size", "upload-expires"],
  ...["upload-length", "upload-defer-length", "upload-metadata", "upload-offset", UPLOAD_ID_HEADER],
];

const UPLOAD_PATH = `${TUS_PATH}/:id`;

export interface TusRoutes {
  /** Adds the tus headers to answers of OPTIONS. Registered before the middleware that answers OPTIONS. */
  discovery: MiddlewareHandler;
  add(app: App): void;
}

export function createTusRoutes(uploads: UploadStore, log: Logger): TusRoutes {
  const tus = createTusHandler({
    uploads: uploads.resumable,
    limits: uploads.limits,
    describeError(error) {
      const body = toProtocolError(error, log).toBody();
      return { status: statusOf(body.code), body: JSON.stringify({ error: body }) };
    },
  });

  async function answer(context: Context): Promise<Response> {
    const response = await tus(context.req.raw, ownerOf(context));
    return response.status < 400 ? response : describe(response);
  }

  return {
    async discovery(context, next) {
      if (context.req.method === "OPTIONS") {
        // The answer is the same for every owner.
        const { headers } = await tus(context.req.raw, "");
        for (const [name, value] of headers) if (name.startsWith("tus-")) context.header(name, value);
      }
      return next();
    },
    add(app) {
      app.post(TUS_PATH, answer);
      app.all(TUS_PATH, allowOnly("OPTIONS", "POST"));
      // Hono routes HEAD as GET.
      app.get(UPLOAD_PATH, async (context) => {
        if (context.req.raw.method === "HEAD") return answer(context);
        return context.json(uploadFields(await uploads.find(context.req.param("id"), ownerOf(context))));
      });
      app.patch(UPLOAD_PATH, answer);
      app.delete(UPLOAD_PATH, answer);
      app.all(UPLOAD_PATH, allowOnly("OPTIONS", "HEAD", "GET", "PATCH", "DELETE"));
    },
  };
}

/** Errors of the tus server are plain text; here they have the form of all others. */
async function describe(response: Response): Promise<Response> {
  const text = await response.text();
  const error: HttpError = text.startsWith("{")
    ? (JSON.parse(text) as { error: HttpError }).error
    : { code: codeOf(response.status), message: text.trim(), retryable: response.status === 423 };
  const headers = new Headers({ ...Object.fromEntries(response.headers), ...headersOf(error) });
  headers.set("content-type", "application/json");
  headers.delete("content-length");
  return new Response(JSON.stringify({ error }), { status: response.status, headers });
}

function codeOf(status: number): HttpErrorCode {
  if (status === 404 || status === 410) return "upload_not_found";
  if (status === 413) return "upload_too_large";
  return status < 500 ? "malformed_request" : "internal";
}
