import { type DecoderRequest, runDecoder } from "./decoder-process.js";
import { mediaUnreadable } from "./errors.js";
import {
  type EntryPoint,
  type FrameList,
  framesByTime,
  framesInOrder,
  type TimedPictures,
} from "./frame-list.js";
import type { FrameLimit } from "./limits.js";
import { grown, type Packets, seekTicksOf } from "./packets.js";
import type { OnProgress } from "./progress.js";

/** The size of decoded pictures of which only the times are used. */
export const TIMES_ONLY = { width: 16, height: 16 };

export interface DecodingIndexOptions {
  decoder: DecoderRequest;
  packets: Packets;
  /** Duration of a frame, where the times give none. */
  frameTicks: number;
  limit: FrameLimit;
  onProgress?: OnProgress;
}

/**
 * Indexes by decoding the whole video once, with the program that decodes it later. The last resort: it takes as long as
 * decoding takes.
 */
export async function indexByDecoding(options: DecodingIndexOptions): Promise<FrameList> {
  const { packets, frameTicks } = options;
  const pictures = await decodeTimes(options);
  // Some decoders output damaged pictures before the first keyframe.
  const picturesBefore = Math.max(0, pictures.isKey.indexOf(1));
  const ticks = pictures.ticks.subarray(picturesBefore);
  const isKey = pictures.isKey.subarray(picturesBefore);
  if (ticks.length === 0) throw mediaUnreadable("No frame of the video can be decoded.");

  // Where packets have no times, those of pictures are estimates that change with every seek.
  const haveTimes = packets.pts.every((pts) => !Number.isNaN(pts));
  const ascend = ticks.every((time, i) => i === 0 || time > (ticks[i - 1] as number));
  const byTime = haveTimes && ascend ? await framesByTime({ ticks, isKey }) : null;
  if (byTime) return byTime;
  return framesInOrder({ ticks, frameTicks, entries: entryPoints(isKey, packets), picturesBefore });
}

/** Times and keyframes of all pictures in the order of presentation. */
async function decodeTimes(options: DecodingIndexOptions): Promise<TimedPictures> {
  const { decoder, packets, limit, onProgress } = options;
  let times = new Float64Array(1024);
  let keys = new Uint8Array(1024);
  let count = 0;
  const run = { seek: [], filter: "null", pictures: packets.length, roughly: true };
  for await (const { ticks, isKey } of runDecoder(decoder, run)) {
    if (count >= limit.maxFrames) throw limit.exceeded();
    if (count === times.length) {
      times = grown(times);
      keys = grown(keys);
    }
    times[count] = ticks;
    keys[count] = isKey ? 1 : 0;
    count++;
    onProgress?.({ stage: "decode", fraction: count / packets.length });
  }
  return { ticks: times.subarray(0, count), isKey: keys.subarray(0, count) };
}

/**
 * Keyframes are decoded in the order of their packets, unless the two differ in number.
 *
 * @param isKey of the pictures, see {@link TimedPictures}
 */
function entryPoints(isKey: Uint8Array, packets: Packets): EntryPoint[] {
  const keyPackets = positionsOf(packets.isKey);
  const keyFrames = positionsOf(isKey);
  if (keyPackets.length !== keyFrames.length) return [];
  return Array.from(keyFrames, (frame, i) => ({
    frame,
    seekTicks: seekTicksOf(packets, keyPackets[i] as number),
  }));
}

/** The positions of the ones. */
function positionsOf(flags: Uint8Array): Uint32Array {
  const positions = new Uint32Array(flags.reduce((sum, flag) => sum + flag, 0));
  let next = 0;
  for (let i = 0; i < flags.length; i++) if (flags[i] === 1) positions[next++] = i;
  return positions;
}
