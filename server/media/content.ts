/** The bytes of a media file for those who read the file itself. */
import { mediaUnreadable } from "./errors.js";
import type { MediaFile } from "./media-file.js";
import type { Demuxer, MediaKind } from "./sniff.js";
import type { MediaContent } from "./source.js";

const VIDEO_TYPES: Readonly<Record<Demuxer, string>> = {
  mov: "video/mp4",
  // Browsers play the codecs of WebM in any Matroska file under this type.
  matroska: "video/webm",
  avi: "video/x-msvideo",
  mpegts: "video/mp2t",
  mpeg: "video/mpeg",
  flv: "video/x-flv",
  ogg: "video/ogg",
  yuv4mpegpipe: "video/x-yuv4mpeg",
  apng: "image/apng",
  bmp_pipe: "image/bmp",
};

/** The content type of a file; `application/octet-stream` for one that is neither a video nor a picture. */
export function contentTypeOf(kind: MediaKind): string {
  if (kind.kind === "video") return VIDEO_TYPES[kind.demuxer];
  return kind.kind === "image" ? `image/${kind.format}` : "application/octet-stream";
}

/** @param version of the file when it was opened */
export function contentOf(file: MediaFile, version: string, contentType: string): MediaContent {
  return {
    contentType,
    async check() {
      // The size first: a change between the two is found.
      const bytes = await file.size();
      if ((await file.version()) !== version)
        throw mediaUnreadable("The file has changed since the session opened it; start a new session.");
      return { bytes, version };
    },
    read: (start, bytes) => file.read(start, bytes),
  };
}
