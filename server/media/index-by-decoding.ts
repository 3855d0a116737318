import { type DecoderRequest, runDecoder } from "./decoder-process.js";
import { mediaUnreadable, mediaUnsupported } from "./errors.js";
import {
  type EntryPoint,
  type FrameList,
  framesByTime,
  framesInOrder,
  type TimedPicture,
} from "./frame-list.js";
import type { Packet } from "./packets.js";
import type { OnProgress } from "./progress.js";

/** Pictures of this size carry no content of interest: only their times are read. */
export const TIMES_ONLY = { width: 16, height: 16 };

export interface DecodingIndexOptions {
  decoder: DecoderRequest;
  packets: readonly Packet[];
  /** Duration of a frame, where the times give none. */
  frameTicks: number;
  maxFrames: number;
  onProgress?: OnProgress;
}

/**
 * Indexes by decoding the whole video once, with the program that decodes it later. The last resort: it takes as long as
 * decoding takes.
 */
export async function indexByDecoding(options: DecodingIndexOptions): Promise<FrameList> {
  const { decoder, packets, frameTicks, maxFrames, onProgress } = options;
  const pictures: TimedPicture[] = [];
  const run = { seek: [], filter: "null", pictures: packets.length, roughly: true };
  for await (const { ticks, isKey } of runDecoder(decoder, run)) {
    if (pictures.length >= maxFrames) throw mediaUnsupported(`The video has more than ${maxFrames} frames.`);
    pictures.push({ ticks, isKey });
    onProgress?.({ stage: "decode", fraction: pictures.length / packets.length });
  }
  // Some decoders output damaged pictures before the first keyframe.
  const picturesBefore = Math.max(
    0,
    pictures.findIndex(({ isKey }) => isKey),
  );
  const shown = pictures.slice(picturesBefore);
  if (shown.length === 0) throw mediaUnreadable("No frame of the video can be decoded.");

  // Where packets have no times, those of pictures are estimates that change with every seek.
  const haveTimes = packets.every(({ pts }) => !Number.isNaN(pts));
  const ascend = shown.every(({ ticks }, i) => i === 0 || ticks > (shown[i - 1] as TimedPicture).ticks);
  const byTime = haveTimes && ascend ? framesByTime(shown) : null;
  if (byTime) return byTime;
  const ticks = shown.map((picture) => picture.ticks);
  return framesInOrder({ ticks, frameTicks, entries: entryPoints(shown, packets), picturesBefore });
}

/** Keyframes are decoded in the order of their packets, unless the two differ in number. */
function entryPoints(pictures: readonly TimedPicture[], packets: readonly Packet[]): EntryPoint[] {
  const keyPackets = packets.filter(({ isKey }) => isKey);
  const keyFrames = pictures.flatMap(({ isKey }, frame) => (isKey ? [frame] : []));
  if (keyPackets.length !== keyFrames.length) return [];
  return keyFrames.map((frame, i) => ({ frame, seekTicks: seekTicksOf(keyPackets[i] as Packet) }));
}

/** The time by which demuxers find a packet: where presentation times are missing, as in AVI, that of decoding. */
export function seekTicksOf({ pts, dts }: Packet): number {
  return Number.isNaN(pts) ? dts : pts;
}
