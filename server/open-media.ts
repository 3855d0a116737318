import { realpath } from "node:fs/promises";
import { parse, resolve } from "node:path";
import { resolveResource } from "./media/resource.js";
import { type MediaSource, openMedia } from "./media/source.js";
import type { StartRequest } from "./session-owner.js";
import type { UploadStore } from "./uploads/store.js";

/**
 * Finds what a `start_session` names: an upload, or a path under a media root. Without media roots any path will do,
 * relative ones from the working directory.
 */
export function createMediaOpener(mediaRoots: readonly string[] | undefined, uploads: UploadStore) {
  return async (request: StartRequest, signal: AbortSignal): Promise<MediaSource> => {
    if (request.upload_id !== undefined) return uploads.openMedia(request.upload_id, { signal });
    const given = request.resource_path ?? "";
    const path = mediaRoots ? given : resolve(given);
    const roots = mediaRoots ?? [parse(path).root];
    const realRoots = await Promise.all(roots.map((root) => realpath(root).catch(() => resolve(root))));
    return openMedia(await resolveResource(path, roots), { mediaRoots: realRoots, signal });
  };
}
