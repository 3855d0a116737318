/**
 * Raw pictures with a time each, in IVF: the simplest container that ffmpeg reads from a pipe. 32 bytes of header, then for
 * each picture its size, its time and its pixels, all little-endian.
 */

/** Ticks a second: every common frame rate is a whole number of them, or within a microsecond of one. */
const TICKS_PER_S = 90_000;

const HEADER_BYTES = 32;
const PICTURE_HEADER_BYTES = 12;

/** ffmpeg's tags of pixel formats, by bytes of a pixel: grey, RGB, RGB with alpha. */
const PIXEL_TAGS = { 1: "Y800", 3: "RGB\x18", 4: "RGBA" } as const;

export type Channels = keyof typeof PIXEL_TAGS;

/** Input options of ffmpeg. */
export const TIMED_INPUT: readonly string[] = ["-f", "ivf", "-c:v", "rawvideo"];

/**
 * Output options that keep the times. Without B-frames and edit list, because MP4 files of older versions of ffmpeg hide the
 * last frame, and when frames are reordered several.
 *
 * @param passthrough the options that write every frame exactly once
 */
export function timedOutput(passthrough: readonly string[]): string[] {
  return [...passthrough, "-enc_time_base", `1/${TICKS_PER_S}`, "-bf", "0", "-use_editlist", "0"];
}

export function timedHeader(size: { width: number; height: number }, channels: Channels = 3): Uint8Array {
  const header = Buffer.alloc(HEADER_BYTES);
  header.write("DKIF");
  header.writeUInt16LE(HEADER_BYTES, 6);
  header.write(PIXEL_TAGS[channels], 8, "latin1");
  header.writeUInt16LE(size.width, 12);
  header.writeUInt16LE(size.height, 14);
  header.writeUInt32LE(TICKS_PER_S, 16);
  header.writeUInt32LE(1, 20);
  return header;
}

/** @param timeUs microseconds from 0; ascends from picture to picture */
export function timedPictureHeader(bytes: number, timeUs: number): Uint8Array {
  const header = Buffer.alloc(PICTURE_HEADER_BYTES);
  header.writeUInt32LE(bytes, 0);
  header.writeBigUInt64LE(BigInt(Math.round((timeUs * TICKS_PER_S) / 1e6)), 4);
  return header;
}
