import { realpath } from "node:fs/promises";
import { parse, resolve } from "node:path";
import { ProtocolError } from "../protocol/index.js";
import { openMedia } from "./media/open.js";
import { resolveResource } from "./media/resource.js";
import type { MediaSource, OpeningOptions } from "./media/source.js";
import type { Pictures } from "./pictures/pictures.js";
import type { OwnerId } from "./session-owner.js";
import type { Shares } from "./shares/shares.js";
import { toolPlaces } from "./tool-places.js";
import type { UploadStore } from "./uploads/store.js";

/**
 * Opens the media that a request names: an upload, or a path under a media root. Without media roots every path
 * is allowed, and relative ones start from the working directory.
 */
export function createMediaOpener(
  mediaRoots: readonly string[] | undefined,
  uploads: UploadStore,
  shares: Pick<Shares, "wait">,
  pictures?: Pictures,
) {
  return async (
    { upload_id, resource_path = "" }: { upload_id?: string; resource_path?: string },
    { owner, ...opening }: OpeningOptions & { owner: OwnerId },
  ): Promise<MediaSource> => {
    const options = { ...opening, places: toolPlaces(shares, owner) };
    if (upload_id !== undefined) {
      return uploads.openMedia(upload_id, { ...options, owner }).catch(blame("upload_id"));
    }
    const resource = await resolveResource(resource_path, mediaRoots);
    const roots = mediaRoots ?? [parse(resource).root];
    const realRoots = await Promise.all(roots.map((root) => realpath(root).catch(() => resolve(root))));
    const reading = { mediaRoots: realRoots, ...(pictures && { pictures: pictures.of(owner) }), ...options };
    return openMedia(resource, reading).catch(blame("resource_path"));
  };
}

/** Adds the field that names the file to an error about the file. */
function blame(field: "upload_id" | "resource_path") {
  return (error: unknown): never => {
    const isAboutTheFile = error instanceof ProtocolError && error.retryable === false;
    if (!isAboutTheFile || error.field !== undefined) throw error;
    throw new ProtocolError(error.code, error.message, field, { cause: error.cause });
  };
}
