import { contentOf, contentTypeOf } from "./content.js";
import { recordDamage } from "./damage.js";
import { mediaUnreadable, readFailure } from "./errors.js";
import { openFrameFiles, openImage, readingOf } from "./frames.js";
import { DEFAULT_MEDIA_LIMITS, type MediaLimits } from "./limits.js";
import { type MediaFile, mediaFileAt } from "./media-file.js";
import { openAnimation } from "./open-animation.js";
import { usePlace } from "./open-place.js";
import { throttleProgress } from "./progress.js";
import { SNIFFED_BYTES, sniffBytes } from "./sniff.js";
import type { MediaSource, OpenMediaOptions } from "./source.js";
import { listFolder } from "./still-folder.js";
import { unsupportedKind } from "./unsupported-kind.js";
import { openVideo } from "./video.js";

/**
 * Opens a file or folder for reading. The first bytes of a file determine its kind. A file stays open until the source is
 * closed, so that every frame comes from the file that was opened. The pictures of a folder are opened one by one, each with
 * the same check.
 *
 * Throws `media_unreadable`, `media_unsupported`, `server_busy`, `server_overloaded`, or `resource_forbidden` for a path
 * that leads out of the media roots.
 *
 * @param path absolute, as `resolveResource` or the upload store gives it
 */
export async function openMedia(path: string, options: OpenMediaOptions = {}): Promise<MediaSource> {
  return recordDamage(await openFileOrFolder(path, options));
}

async function openFileOrFolder(path: string, options: OpenMediaOptions): Promise<MediaSource> {
  const limits = { ...DEFAULT_MEDIA_LIMITS, ...options.limits };
  const location = { path, name: "The file", roots: options.mediaRoots };
  try {
    const opened = await usePlace(location, async (place) =>
      place.kind === "folder"
        ? { listing: await listFolder(place, options.mediaRoots, limits.maxFrames) }
        : { file: await mediaFileAt(location, place) },
    );
    if ("listing" in opened) return await openFrameFiles(opened.listing, "folder", limits, options);
    return await keepOpen(opened.file, (file) => openFile(file, limits, options));
  } catch (error) {
    throw readFailure(error, "The file");
  }
}

/** The file is closed with the source, or at once when it cannot be opened as one. */
async function keepOpen(
  file: MediaFile,
  openSource: (file: MediaFile) => Promise<MediaSource>,
): Promise<MediaSource> {
  try {
    const version = await file.version();
    const source = await openSource(file);
    return {
      ...source,
      file: contentOf(file, version, contentTypeOf(sniffBytes(await file.read(0, SNIFFED_BYTES)))),
      async close() {
        await source.close();
        await file.close();
      },
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function openFile(
  file: MediaFile,
  limits: MediaLimits,
  options: OpenMediaOptions,
): Promise<MediaSource> {
  const head = await file.read(0, SNIFFED_BYTES);
  if (head.length === 0) throw mediaUnreadable("The file is empty.");
  const kind = sniffBytes(head);
  if (kind.kind === "video") {
    const onProgress = options.onProgress && throttleProgress(options.onProgress);
    return openVideo(file, kind.demuxer, limits, { ...options, ...(onProgress && { onProgress }) });
  }
  if (kind.kind === "image") {
    const reading = readingOf(options, limits);
    return (await openAnimation(file, kind.format, reading, options)) ?? openImage(file, reading);
  }
  throw unsupportedKind(kind);
}
