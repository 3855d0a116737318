import { stat } from "node:fs/promises";
import { mediaUnreadable, mediaUnsupported, systemErrorCode } from "./errors.js";
import type { StillsFacts } from "./frames.js";
import { openFrameFolder, openImage } from "./frames.js";
import { DEFAULT_MEDIA_LIMITS, type MediaLimits } from "./limits.js";
import type { VideoFacts } from "./probe.js";
import { readHead, sniffBytes } from "./sniff.js";
import { openVideo } from "./video.js";

export type MediaFacts = VideoFacts | StillsFacts;

export interface MediaFrame {
  index: number;
  /**
   * Microseconds from the container's start to the moment the frame is shown, strictly ascending with `index`; frames
   * of variable rate videos keep their own times. Null for images and folders, which have no times.
   */
  timestampUs: number | null;
  /**
   * `[height, width, 3]` uint8, red green blue, upright. Repeated frames of damaged videos share one buffer, so it must
   * not be written to or transferred.
   */
  rgb: Uint8Array;
}

export interface FrameRange {
  /** The first frame to come: the lowest when going forward, the highest when going backward. */
  startFrame: number;
  /** How many at most; the media's end cuts it short. */
  count: number;
  direction: "forward" | "backward";
  /** Size of the pictures wanted; the aspect ratio is not kept. */
  width: number;
  height: number;
  /** Ends the stream at once, also while a frame is being waited for: `next()` rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** A video, a folder of pictures or a single picture, read frame by frame on demand. */
export interface MediaSource {
  readonly facts: MediaFacts;
  /**
   * Frames in order, decoded as they are asked for. Memory stays bounded whatever the length and however slow the
   * consumer. Several streams may run at once. Leaving the loop early releases everything.
   *
   * Throws `frame_out_of_range` for a start outside the media, `media_unreadable` naming the frame that fails.
   */
  frames(range: FrameRange): AsyncIterableIterator<MediaFrame>;
  /** One frame. The last one read is remembered, because clicks tend to stay on a frame. */
  frame(index: number, size: { width: number; height: number; signal?: AbortSignal }): Promise<MediaFrame>;
  /** Ends every stream that is still running and waits for their processes. May be called again. */
  close(): Promise<void>;
}

export interface OpenMediaOptions {
  limits?: Partial<MediaLimits>;
  signal?: AbortSignal;
  /**
   * Real paths of the folders from which frames may be read. Links in a frame folder that lead elsewhere are refused;
   * without this, links are not followed at all.
   */
  mediaRoots?: readonly string[];
}

/**
 * Opens a file or folder for reading. What a file is, its first bytes decide. Throws `media_unreadable`,
 * `media_unsupported`, or, for links in a folder that lead outside, `resource_forbidden`.
 *
 * @param path absolute, as `resolveResource` or the upload store gives it
 */
export async function openMedia(path: string, options: OpenMediaOptions = {}): Promise<MediaSource> {
  const limits = { ...DEFAULT_MEDIA_LIMITS, ...options.limits };
  try {
    const facts = await stat(path);
    if (facts.isDirectory()) return await openFrameFolder(path, limits, options);
    if (!facts.isFile()) throw mediaUnsupported("Neither a file nor a folder.");
    if (facts.size === 0) throw mediaUnreadable("The file is empty.");
    const kind = sniffBytes(await readHead(path, 64));
    if (kind.kind === "video") return await openVideo(path, kind.demuxer, limits, options.signal);
    if (kind.kind === "image") return await openImage(path, limits);
    throw mediaUnsupported(
      `The file is ${kind.looksLike}; videos (MP4, MOV, MKV, WebM, AVI) and pictures (JPEG, PNG, WebP) are supported.`,
    );
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === "ENOENT") throw mediaUnreadable("The file is gone.", error);
    if (code === "EACCES" || code === "EPERM")
      throw mediaUnreadable("The server may not read the file.", error);
    throw error;
  }
}
