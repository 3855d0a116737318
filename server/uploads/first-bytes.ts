/** What the first bytes of a file show, so that a file that cannot be media is refused before the rest of it arrives. */
import { constants, gunzipSync } from "node:zlib";
import { mediaUnreadable, mediaUnsupported } from "../media/errors.js";
import { SNIFFED_BYTES, sniffBytes } from "../media/sniff.js";
import { unsupportedKind } from "../media/unsupported-kind.js";

/** Checks a file that arrives in chunks, once its first {@link SNIFFED_BYTES} are there. */
export interface FirstBytes {
  /** @throws ProtocolError media_unsupported, media_unreadable */
  add(chunk: Uint8Array): void;
}

export function createFirstBytes(): FirstBytes {
  const head = Buffer.alloc(SNIFFED_BYTES);
  let length = 0;
  return {
    add(chunk) {
      if (length === head.length) return;
      const part = chunk.subarray(0, head.length - length);
      head.set(part, length);
      length += part.length;
      if (length === head.length) checkFirstBytes(head);
    },
  };
}

/**
 * Accepts everything that the rest of the file could make a video, a picture, or an archive of them.
 *
 * @param head the first {@link SNIFFED_BYTES} of a file
 * @throws ProtocolError media_unsupported, media_unreadable
 */
export function checkFirstBytes(head: Uint8Array): void {
  const kind = sniffBytes(head);
  if (kind.kind === "unknown") throw unsupportedKind(kind);
  if (kind.kind !== "archive") return;
  if (kind.format === "zip") checkZipHeader(head);
  else if (kind.format === "tar") checkTarHeader(head);
  else checkGzip(head);
}

/** Fields of a local file header (APPNOTE.TXT 4.3.7), each two bytes. */
const ZIP_ENTRY = "PK\x03\x04";
const ZIP_FLAGS_AT = 6;
const ZIP_METHOD_AT = 8;
const ZIP_NAME_LENGTH_AT = 26;
const ZIP_ENCRYPTED = 1;
const ZIP_METHODS = [0, 8];

function checkZipHeader(head: Uint8Array): void {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.length);
  // An archive without entries is reported when it is complete.
  if (bytes.toString("latin1", 0, 4) !== ZIP_ENTRY) return;
  if (bytes.readUInt16LE(ZIP_NAME_LENGTH_AT) === 0) {
    throw mediaUnreadable("The ZIP archive is damaged: its first entry has no name.");
  }
  if (bytes.readUInt16LE(ZIP_FLAGS_AT) & ZIP_ENCRYPTED) {
    throw mediaUnsupported("The archive is encrypted: its first entry needs a password.");
  }
  const method = bytes.readUInt16LE(ZIP_METHOD_AT);
  if (ZIP_METHODS.includes(method)) return;
  throw mediaUnsupported(
    `The first entry of the archive has compression method ${method}; expected 0 (stored) or 8 (deflate).`,
  );
}

/** The checksum of a tar header is the sum of its bytes, with the checksum itself as spaces; six octal digits. */
const TAR_HEADER_BYTES = 512;
const TAR_CHECKSUM_AT = 148;
const TAR_CHECKSUM_BYTES = 8;

function checkTarHeader(head: Uint8Array): void {
  const header = head.subarray(0, TAR_HEADER_BYTES);
  const checksum = header.subarray(TAR_CHECKSUM_AT, TAR_CHECKSUM_AT + TAR_CHECKSUM_BYTES);
  const total = (bytes: Uint8Array) => bytes.reduce((sum, byte) => sum + byte, 0);
  const expected = total(header) - total(checksum) + TAR_CHECKSUM_BYTES * " ".charCodeAt(0);
  if (Number.parseInt(Buffer.from(checksum).toString("latin1"), 8) === expected) return;
  throw mediaUnreadable("The tar archive is damaged: the checksum of its first header is wrong.");
}

/** gzip data must contain a tar archive. The data of the first bytes is enough, unless the gzip header is long. */
function checkGzip(head: Uint8Array): void {
  let content: Buffer;
  try {
    content = gunzipSync(head, { finishFlush: constants.Z_SYNC_FLUSH });
  } catch (cause) {
    throw mediaUnreadable("The gzip data is damaged.", cause);
  }
  if (content.length < TAR_HEADER_BYTES) return;
  // Two empty blocks are an archive without entries.
  if (content.subarray(0, TAR_HEADER_BYTES).every((byte) => byte === 0)) return;
  if (content.toString("latin1", 257, 262) !== "ustar") {
    throw mediaUnreadable("The gzip data contains no tar archive; send a single file without gzip.");
  }
  checkTarHeader(content);
}
