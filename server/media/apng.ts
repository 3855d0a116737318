/** Animated PNG, decoded by ffmpeg. */

import { ProtocolError } from "../../protocol/errors.js";
import {
  type Animation,
  type AnimationPicture,
  type AnimationRange,
  checkAnimationSize,
} from "./animation.js";
import { maxPicturePixels } from "./box/limits.js";
import { runDecoder } from "./decoder-process.js";
import { mediaUnreadable } from "./errors.js";
import { ffprobeLines } from "./ffprobe.js";
import type { FrameLimit, MediaLimits } from "./limits.js";
import type { MediaFile } from "./media-file.js";
import { UPRIGHT } from "./orientation.js";
import { UNLIMITED_PLACES } from "./places.js";
import type { OpenMediaOptions } from "./source.js";
import { readStillHead } from "./stills.js";

/** ffmpeg shows pictures with a delay of at most 10 ms for 100 ms, as browsers do. */
const DELAY_OPTIONS = ["-max_fps", "99", "-default_fps", "10"];

/** ffprobe prints about 20 bytes for each packet. */
const BYTES_PER_PACKET = 64;

/** Null for a PNG of one picture. */
export async function openApng(
  file: MediaFile,
  limits: MediaLimits,
  limit: FrameLimit,
  { signal, places = UNLIMITED_PLACES }: Pick<OpenMediaOptions, "signal" | "places">,
): Promise<Animation | null> {
  const head = await readStillHead(file, "The picture");
  if (!announcesAnimation(head)) return null;
  const view = new DataView(head.buffer, head.byteOffset);
  const size = { width: view.getUint32(16), height: view.getUint32(20) };
  checkAnimationSize(size, limits);
  const delaysMs: number[] = [];
  const place = await places.probe(signal);
  await ffprobeLines(
    { file, demuxer: "apng", stallTimeoutMs: limits.stallTimeoutMs, ...(signal && { signal }) },
    {
      options: [...DELAY_OPTIONS, "-show_entries", "packet=duration_time", "-of", "csv=p=0"],
      maxBytes: Math.max(2 ** 20, limit.maxFrames * BYTES_PER_PACKET),
      onLine(line) {
        const delayS = Number.parseFloat(line);
        if (!(delayS > 0)) return;
        if (delaysMs.length >= limit.maxFrames) throw limit.exceeded();
        delaysMs.push(delayS * 1000);
      },
    },
  ).finally(() => place.release());
  if (delaysMs.length < 2) return null;
  const processes = new Set<Promise<unknown>>();
  const maxPixels = maxPicturePixels(size, limits.maxPixels);
  const decode = createDecode(file, maxPixels, limits.stallTimeoutMs, (ended) => {
    processes.add(ended);
    ended.catch(() => {}).finally(() => processes.delete(ended));
  });
  return {
    ...{ ...size, codec: "apng", delaysMs },
    async *read(range) {
      const reading = await places.decode({ maxPicturePixels: maxPixels, signal: range.signal });
      try {
        yield* readPictures(decode, range);
      } finally {
        reading.release();
      }
    },
    close: async () => void (await Promise.allSettled(processes)),
  };
}

/** True when an `acTL` chunk comes before the picture data. */
function announcesAnimation(head: Uint8Array): boolean {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  for (let at = 8; at + 8 <= head.length; at += 12 + view.getUint32(at)) {
    const type = String.fromCharCode(...head.subarray(at + 4, at + 8));
    if (type === "acTL") return true;
    if (type === "IDAT") return false;
  }
  return false;
}

async function* readPictures(
  decode: Decode,
  { first, end, ...size }: AnimationRange,
): AsyncGenerator<AnimationPicture> {
  let position = first;
  let last: Uint8Array | undefined;
  for await (const rgb of decode(first, end, size)) {
    last = rgb;
    yield { rgb };
    position++;
    if (position === end) return;
  }
  // A damaged picture ends the decoding early.
  if (!last) for await (const rgb of decode(0, first, size)) last = rgb;
  if (!last) throw mediaUnreadable(`Frame ${position} cannot be decoded: the animation is damaged.`);
  for (; position < end; position++) yield { rgb: last, damaged: true };
}

type Decode = (
  first: number,
  end: number,
  size: Omit<AnimationRange, "first" | "end">,
) => AsyncGenerator<Uint8Array>;

/** Decodes ranges of pictures. Each picture changes parts of the one before it, so ffmpeg decodes from the start. */
function createDecode(
  file: MediaFile,
  pixels: number,
  stallTimeoutMs: number,
  onProcess: (ended: Promise<unknown>) => void,
): Decode {
  const stream = { demuxer: "apng", stream: 0, orientation: UPRIGHT, matrix: null } as const;
  const video = { file, maxPicturePixels: pixels, ...stream };
  return async function* decode(first, end, size) {
    if (first >= end) return;
    const filter = `select='between(n,${first},${end - 1})',format=gbrap,premultiply=inplace=1`;
    const request = { video, ...size, stallTimeoutMs, onProcess };
    try {
      for await (const { rgb } of runDecoder(request, { seek: [], filter, pictures: end })) yield rgb;
    } catch (error) {
      // The pictures before the damage are decoded.
      if (!(error instanceof ProtocolError && error.code === "media_unreadable")) throw error;
    }
  };
}
