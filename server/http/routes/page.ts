/** `GET /`: the annotator page and its files. They contain no data, so they need no key. */
import { findPageFile } from "../../page/files.js";
import type { App } from "../context.js";
import { sendError } from "../errors.js";

const ALL_DAYS_S = 365 * 24 * 60 * 60;

/** The page loads its own files only; pictures and videos that it makes itself have `blob:` addresses. */
const POLICY = [
  "default-src 'self'",
  "img-src 'self' blob: data:",
  "media-src 'self' blob:",
  "worker-src 'self' blob:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** Paths of the protocol, which the page never has. */
const isOfProtocol = (path: string) => path === "/v1" || path.startsWith("/v1/");

export function addPageRoutes(app: App, folder: string): void {
  // Hono routes HEAD as GET.
  app.get("*", async (context, next) => {
    const { path } = context.req;
    if (isOfProtocol(path)) return next();
    const file = await findPageFile(folder, path.slice(1));
    if (!file && path === "/") {
      const message = "The annotator page is not built; run npm run build. The WebSocket is at /v1.";
      return sendError(context, { code: "not_found", message, retryable: false });
    }
    if (!file) return next();
    const headers = {
      etag: file.etag,
      "cache-control": file.isImmutable ? `public, max-age=${ALL_DAYS_S}, immutable` : "no-cache",
      "content-security-policy": POLICY,
      "referrer-policy": "no-referrer",
      "cross-origin-opener-policy": "same-origin",
    };
    if (context.req.header("if-none-match") === file.etag) return context.body(null, 304, headers);
    return context.body(file.bytes as Uint8Array<ArrayBuffer>, 200, {
      ...headers,
      "content-type": file.contentType,
    });
  });
}
