import type { ProtocolError } from "../../protocol/errors.js";
import { mediaUnsupported } from "./errors.js";
import { describeKind, type MediaKind } from "./sniff.js";

export const PICTURE_FORMATS = "JPEG, PNG, WebP, BMP, TIFF, GIF";

/** What can be opened, for messages. */
export const SUPPORTED_MEDIA = `videos (MP4, MOV, MKV, WebM, AVI, MPEG-TS, MPEG-PS, FLV, Ogg, Y4M) and pictures (${PICTURE_FORMATS})`;

/** The error of a file that is neither a video nor a picture. */
export function unsupportedKind(kind: MediaKind): ProtocolError {
  return mediaUnsupported(`The file is ${describeKind(kind)}; ${SUPPORTED_MEDIA} are supported.`);
}
