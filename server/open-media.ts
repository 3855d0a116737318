import { realpath } from "node:fs/promises";
import { parse, resolve } from "node:path";
import { ProtocolError } from "../protocol/index.js";
import { openMedia } from "./media/open.js";
import { resolveResource } from "./media/resource.js";
import type { MediaSource } from "./media/source.js";
import type { StartRequest } from "./session-owner.js";
import type { UploadStore } from "./uploads/store.js";

/**
 * Finds what a `start_session` names: an upload, or a path under a media root. Without media roots any path will do,
 * relative ones from the working directory.
 */
export function createMediaOpener(mediaRoots: readonly string[] | undefined, uploads: UploadStore) {
  return async (request: StartRequest, signal: AbortSignal): Promise<MediaSource> => {
    const { upload_id, resource_path = "" } = request;
    if (upload_id !== undefined) {
      return uploads.openMedia(upload_id, { signal }).catch(blame("upload_id"));
    }
    const path = mediaRoots ? resource_path : resolve(resource_path);
    const roots = mediaRoots ?? [parse(path).root];
    const realRoots = await Promise.all(roots.map((root) => realpath(root).catch(() => resolve(root))));
    const resource = await resolveResource(path, roots);
    return openMedia(resource, { mediaRoots: realRoots, signal }).catch(blame("resource_path"));
  };
}

/** What is wrong with a file is the fault of the field that named it. */
function blame(field: "upload_id" | "resource_path") {
  return (error: unknown): never => {
    if (!(error instanceof ProtocolError) || error.field !== undefined) throw error;
    throw new ProtocolError(error.code, error.message, field, { cause: error.cause });
  };
}
