import type { ProtocolError } from "../../protocol/errors.js";
import { mediaUnsupported } from "./errors.js";
import { describeKind, type MediaKind } from "./sniff.js";

/** The error of a file that is neither a video nor a picture. */
export function unsupportedKind(kind: MediaKind): ProtocolError {
  return mediaUnsupported(
    `The file is ${describeKind(kind)}; videos (MP4, MOV, MKV, WebM, AVI, MPEG-TS, MPEG-PS, FLV, Ogg, Y4M) and pictures (JPEG, PNG, WebP, BMP, TIFF, GIF) are supported.`,
  );
}
