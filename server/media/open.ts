import { stat } from "node:fs/promises";
import { recordDamage } from "./damage.js";
import { mediaUnreadable, mediaUnsupported, readFailure } from "./errors.js";
import { openFrameFolder, openImage } from "./frames.js";
import { DEFAULT_MEDIA_LIMITS } from "./limits.js";
import { openAnimation } from "./open-animation.js";
import { throttleProgress } from "./progress.js";
import { describeKind, readHead, SNIFFED_BYTES, sniffBytes } from "./sniff.js";
import type { MediaSource, OpenMediaOptions } from "./source.js";
import { openVideo } from "./video.js";

/**
 * Opens a file or folder for reading. The first bytes of a file determine its kind. Throws `media_unreadable`,
 * `media_unsupported`, `server_overloaded`, or, for links in a folder that lead outside, `resource_forbidden`.
 *
 * @param path absolute, as `resolveResource` or the upload store gives it
 */
export async function openMedia(path: string, options: OpenMediaOptions = {}): Promise<MediaSource> {
  return recordDamage(await openFileOrFolder(path, options));
}

async function openFileOrFolder(path: string, options: OpenMediaOptions): Promise<MediaSource> {
  const limits = { ...DEFAULT_MEDIA_LIMITS, ...options.limits };
  try {
    const facts = await stat(path);
    if (facts.isDirectory()) return await openFrameFolder(path, limits, options);
    if (!facts.isFile()) throw mediaUnsupported("The path names neither a file nor a folder.");
    if (facts.size === 0) throw mediaUnreadable("The file is empty.");
    const kind = sniffBytes(await readHead(path, SNIFFED_BYTES));
    if (kind.kind === "video") {
      const onProgress = options.onProgress && throttleProgress(options.onProgress);
      return await openVideo(path, kind.demuxer, limits, { ...options, ...(onProgress && { onProgress }) });
    }
    if (kind.kind === "image") {
      return (
        (await openAnimation(path, kind.format, limits, options.signal)) ?? (await openImage(path, limits))
      );
    }
    throw mediaUnsupported(
      `The file is ${describeKind(kind)}; videos (MP4, MOV, MKV, WebM, AVI, MPEG-TS, MPEG-PS, FLV, Ogg, Y4M) and pictures (JPEG, PNG, WebP, BMP, TIFF, GIF) are supported.`,
    );
  } catch (error) {
    throw readFailure(error, "The file");
  }
}
