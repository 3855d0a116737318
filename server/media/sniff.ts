import { open } from "node:fs/promises";

/** The ffmpeg demuxers in use. None of them reads playlists or scripts. */
export type Demuxer =
  | "mov"
  | "matroska"
  | "avi"
  | "mpegts"
  | "mpeg"
  | "flv"
  | "ogg"
  | "yuv4mpegpipe"
  | "apng"
  | "bmp_pipe";

export type StillFormat = "jpeg" | "png" | "webp" | "bmp" | "tiff" | "gif";
/** `gzip` contains a tar archive or something else; only its decompressed bytes show which. */
export type ArchiveFormat = "zip" | "tar" | "gzip";

export type MediaKind =
  | { kind: "video"; demuxer: Demuxer }
  | { kind: "image"; format: StillFormat }
  | { kind: "archive"; format: ArchiveFormat }
  /** `isKnown` is true for a format that is recognized and not supported, such as text or PDF. */
  | { kind: "unknown"; looksLike: string; isKnown: boolean };

/** First bytes of a QuickTime or MP4 file, at offset 4. */
const MOV_BOXES = new Set(["ftyp", "moov", "mdat", "free", "skip", "wide", "pnot"]);

/** Brands of pictures in files that begin like an MP4. */
const HEIF_BRANDS: Record<string, string> = {
  avif: "an AVIF picture",
  heic: "an HEIC picture",
  heix: "an HEIC picture",
  mif1: "a HEIF picture",
};

const OTHERS: [prefix: string, looksLike: string][] = [
  ["ID3", "an MP3"],
  ["fLaC", "a FLAC file"],
  ["%PDF", "a PDF"],
  ["#EXTM3U", "a playlist"],
  ["ffconcat", "a playlist"],
];

const ARCHIVES = { zip: "a ZIP archive", tar: "a tar archive", gzip: "a gzip file" } as const;

/** Bytes that {@link sniffBytes} needs: an MPEG transport stream is recognized by several packets in a row. */
export const SNIFFED_BYTES = 2048;

/**
 * The kind of a file by its content; its name has no influence. `head` contains at least the first 12 bytes; tar archives
 * and MPEG transport streams are recognized by the first {@link SNIFFED_BYTES}.
 */
export function sniffBytes(head: Uint8Array): MediaKind {
  const text = (from: number, to: number) => String.fromCharCode(...head.subarray(from, to));
  const heif = text(4, 8) === "ftyp" ? HEIF_BRANDS[text(8, 12)] : undefined;
  if (heif) return { kind: "unknown", looksLike: heif, isKnown: true };
  if (MOV_BOXES.has(text(4, 8))) return { kind: "video", demuxer: "mov" };
  if (text(0, 4) === "\x1a\x45\xdf\xa3") return { kind: "video", demuxer: "matroska" };
  if (text(0, 4) === "RIFF" && text(8, 12) === "AVI ") return { kind: "video", demuxer: "avi" };
  if (text(0, 4) === "\0\0\x01\xba") return { kind: "video", demuxer: "mpeg" };
  if (text(0, 4) === "FLV\x01") return { kind: "video", demuxer: "flv" };
  if (text(0, 4) === "OggS") return { kind: "video", demuxer: "ogg" };
  if (text(0, 9) === "YUV4MPEG2") return { kind: "video", demuxer: "yuv4mpegpipe" };
  if (text(0, 3) === "\xff\xd8\xff") return { kind: "image", format: "jpeg" };
  if (text(0, 8) === "\x89PNG\r\n\x1a\n") return { kind: "image", format: "png" };
  if (text(0, 4) === "RIFF" && text(8, 12) === "WEBP") return { kind: "image", format: "webp" };
  if (text(0, 4) === "GIF8") return { kind: "image", format: "gif" };
  if (["II*\0", "II+\0", "MM\0*", "MM\0+"].includes(text(0, 4))) return { kind: "image", format: "tiff" };
  if (isBmp(head)) return { kind: "image", format: "bmp" };
  // A ZIP archive without entries begins with the end of its directory.
  if (["PK\x03\x04", "PK\x05\x06"].includes(text(0, 4))) return { kind: "archive", format: "zip" };
  if (text(0, 2) === "\x1f\x8b") return { kind: "archive", format: "gzip" };
  if (text(257, 262) === "ustar") return { kind: "archive", format: "tar" };
  if (isTransportStream(head)) return { kind: "video", demuxer: "mpegts" };
  const known = OTHERS.find(([prefix]) => text(0, prefix.length) === prefix);
  if (known) return { kind: "unknown", looksLike: known[1], isKnown: true };
  const printable = head.length > 0 && head.every((byte) => byte >= 0x20 || (byte >= 0x09 && byte <= 0x0d));
  return { kind: "unknown", looksLike: printable ? "text" : "of an unknown format", isKnown: printable };
}

/** Packet sizes of MPEG transport streams: plain, with a time stamp before each packet (M2TS), with error correction. */
const TS_PACKET_BYTES = [188, 192, 204];
const TS_SYNC = 0x47;

/**
 * True when sync bytes follow each other at the distance of a packet until the end of `head`. The first packet may be cut,
 * as in a recording that starts anywhere. At least three sync bytes are needed.
 */
function isTransportStream(head: Uint8Array): boolean {
  return TS_PACKET_BYTES.some((bytes) => {
    for (let first = 0; first < bytes && first + 2 * bytes < head.length; first++) {
      let at = first;
      while (at < head.length && head[at] === TS_SYNC) at += bytes;
      if (at >= head.length) return true;
    }
    return false;
  });
}

/** "BM" alone also begins texts. Offsets 6 to 9 are reserved and zero, offset 14 is the size of a known header. */
function isBmp(head: Uint8Array): boolean {
  if (head.length < 18 || head[0] !== 0x42 || head[1] !== 0x4d) return false;
  const view = new DataView(head.buffer, head.byteOffset);
  return view.getUint32(6, true) === 0 && [12, 40, 52, 56, 64, 108, 124].includes(view.getUint32(14, true));
}

/** What a file of this kind is, for messages: `a PNG picture`, `a ZIP archive`, `text`. */
export function describeKind(kind: MediaKind): string {
  if (kind.kind === "image") return `a ${kind.format.toUpperCase()} picture`;
  if (kind.kind === "archive") return ARCHIVES[kind.format];
  return kind.kind === "video" ? "a video" : kind.looksLike;
}

/** The same after a verb: `got text`, `got a file of an unknown format`. */
export function describeFound(kind: MediaKind): string {
  return describeKind(kind).replace(/^of /, "a file of ");
}

/** The first `bytes` of a file, or all of a shorter file. */
export async function readHead(path: string, bytes: number): Promise<Uint8Array> {
  const file = await open(path, "r");
  try {
    const { buffer, bytesRead } = await file.read(new Uint8Array(bytes), 0, bytes, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
