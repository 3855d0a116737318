/** The files of the annotator page. */
import { createHash } from "node:crypto";
import { readFile, realpath, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { isUnder } from "../media/resource.js";

export interface PageFile {
  bytes: Buffer;
  contentType: string;
  etag: string;
  /** Its name contains a hash of its content, so it never changes. */
  isImmutable: boolean;
}

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".webmanifest": "application/manifest+json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".woff2": "font/woff2",
  ".wasm": "application/wasm",
  ".txt": "text/plain; charset=utf-8",
};

/** Segments of names that a build writes. None begins with a dot, so no path leads upward or to a hidden file. */
const PATH = /^(?:[\w-][\w.-]*\/)*[\w-][\w.-]*$/;

/**
 * The file at a path of the page, without its first slash; "" is the page itself. Undefined for a path that names no file of
 * the folder, also through a link.
 */
export async function findPageFile(folder: string, path: string): Promise<PageFile | undefined> {
  const name = path === "" ? "index.html" : path;
  const contentType = TYPES[extname(name)];
  if (!PATH.test(name) || contentType === undefined) return undefined;
  try {
    const file = await realpath(join(folder, name));
    if (!isUnder(file, await realpath(folder)) || !(await stat(file)).isFile()) return undefined;
    const bytes = await readFile(file);
    const etag = `"${createHash("sha256").update(bytes).digest("hex").slice(0, 32)}"`;
    return { bytes, contentType, etag, isImmutable: /^assets\/.*-[\w-]{8}\.\w+$/.test(name) };
  } catch {
    return undefined;
  }
}
