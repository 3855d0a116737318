import { open } from "node:fs/promises";

/** The ffmpeg demuxers in use. None of them reads playlists or scripts. */
export type Demuxer = "mov" | "matroska" | "avi";

export type MediaKind =
  | { kind: "video"; demuxer: Demuxer }
  | { kind: "image"; format: "jpeg" | "png" | "webp" }
  | { kind: "unknown"; looksLike: string };

/** First bytes of a QuickTime or MP4 file, at offset 4. */
const MOV_BOXES = new Set(["ftyp", "moov", "mdat", "free", "skip", "wide", "pnot"]);

const OTHERS: [prefix: string, looksLike: string][] = [
  ["GIF8", "a GIF"],
  ["ID3", "an MP3"],
  ["OggS", "an Ogg file"],
  ["fLaC", "a FLAC file"],
  ["FLV", "an FLV"],
  ["BM", "a BMP"],
  ["%PDF", "a PDF"],
  ["PK\u0003\u0004", "a ZIP archive"],
  ["#EXTM3U", "a playlist"],
  ["ffconcat", "a playlist"],
];

/** The kind of a file by its content; its name has no influence. `head` contains at least the first 12 bytes. */
export function sniffBytes(head: Uint8Array): MediaKind {
  const text = (from: number, to: number) => String.fromCharCode(...head.subarray(from, to));
  if (MOV_BOXES.has(text(4, 8))) return { kind: "video", demuxer: "mov" };
  if (text(0, 4) === "\x1a\x45\xdf\xa3") return { kind: "video", demuxer: "matroska" };
  if (text(0, 4) === "RIFF" && text(8, 12) === "AVI ") return { kind: "video", demuxer: "avi" };
  if (text(0, 3) === "\xff\xd8\xff") return { kind: "image", format: "jpeg" };
  if (text(0, 8) === "\x89PNG\r\n\x1a\n") return { kind: "image", format: "png" };
  if (text(0, 4) === "RIFF" && text(8, 12) === "WEBP") return { kind: "image", format: "webp" };
  const known = OTHERS.find(([prefix]) => text(0, prefix.length) === prefix);
  if (known) return { kind: "unknown", looksLike: known[1] };
  const printable = head.length > 0 && head.every((byte) => byte >= 0x20 || (byte >= 0x09 && byte <= 0x0d));
  return { kind: "unknown", looksLike: printable ? "text" : "of an unknown format" };
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
