/**
 * Finds the frames of a video. Packets identify them wherever the codec's rules allow it; the whole video is decoded only
 * where they do not.
 */
import { type DecoderRequest, runDecoder } from "./decoder-process.js";
import { mediaUnreadable } from "./errors.js";
import type { ProbeRequest } from "./ffprobe.js";
import type { FrameList } from "./frame-list.js";
import { indexByDecoding, TIMES_ONLY } from "./index-by-decoding.js";
import { framesOfPackets } from "./index-by-packets.js";
import { isCutShort } from "./is-cut-short.js";
import type { FrameLimit } from "./limits.js";
import { rational } from "./numbers.js";
import { type Packets, readPackets } from "./packets.js";
import type { EncodedVideo, IndexedStream } from "./probed-video.js";
import type { OnProgress } from "./progress.js";
import { frameAt, type VideoIndex } from "./video-index.js";

export interface IndexOptions {
  encoded: EncodedVideo;
  stream: IndexedStream;
  limit: FrameLimit;
  /** Called once, when the packets are read and pictures are decoded next. */
  beforeDecoding: () => Promise<void>;
  onProgress?: OnProgress;
}

/** Pictures that are decoded while the video is opened, to check that their times are those of the index. */
const CHECKED_PICTURES = 32;

/**
 * Throws `media_unreadable` when the video has no frame that can be decoded, `media_unsupported` when it has more
 * frames than `limit`, and the errors of ffprobe and ffmpeg.
 */
export async function indexVideo(
  probe: ProbeRequest,
  options: IndexOptions,
): Promise<{ index: Omit<VideoIndex, "startS">; numFrames: number; fps: number }> {
  const { encoded, stream, limit, onProgress } = options;
  const packets = await readPackets(probe, stream.index, limit, onProgress);
  const timeBaseS = rational(stream.time_base);
  const headerFps = rational(stream.avg_frame_rate) || rational(stream.r_frame_rate) || 25;
  const frameTicks = 1 / headerFps / timeBaseS;

  const { signal, stallTimeoutMs } = probe;
  const decoder = { video: encoded, ...TIMES_ONLY, stallTimeoutMs, ...(signal && { signal }) };
  const byPackets = await framesOfPackets(probe, stream, packets, frameTicks, limit);
  await options.beforeDecoding();
  const frames =
    byPackets && (await matchesPictures(decoder, byPackets, packets))
      ? byPackets
      : await indexByDecoding({
          decoder: { ...decoder, priority: "low" },
          packets,
          frameTicks,
          limit,
          ...(onProgress && { onProgress }),
        });
  const { pts } = frames;
  if (pts.length > limit.maxFrames) throw limit.exceeded();

  // A truncated MP4 counts every frame that its header announces: reaching a missing one is an error, not the end.
  const announced = probe.demuxer === "mov" ? Number(stream.nb_frames ?? 0) : 0;
  const missing =
    announced > packets.length && (await isCutShort(probe.file)) ? announced - packets.length : 0;
  // Where packets have no times, those of the first and last pictures are estimates.
  const toleranceS = frames.identity === "order" ? 4 / headerFps : 2 * timeBaseS;
  const fps = averageFps(pts, timeBaseS, { headerFps, toleranceS });
  return { index: { ...frames, timeBaseS }, numFrames: pts.length + missing, fps };
}

/**
 * Decodes the first pictures and compares them with the frames of the packets. A picture whose time is not in the index, or
 * that has the time of another one, shows that packets and pictures differ, or that ffmpeg and ffprobe do, which may be of
 * different versions. A missing picture is only damaged, unless pictures are reordered and the times of the packets are not.
 */
async function matchesPictures(
  decoder: DecoderRequest,
  frames: FrameList,
  packets: Packets,
): Promise<boolean> {
  let matches = true;
  let pictures = 0;
  let last = -1;
  let skips = false;
  let reorders = false;
  const run = {
    seek: [],
    filter: `trim=end_frame=${CHECKED_PICTURES}`,
    pictures: CHECKED_PICTURES,
    roughly: true,
  };
  for await (const { ticks, isBidirectional } of runDecoder(decoder, run)) {
    pictures++;
    reorders ||= isBidirectional;
    // Some decoders output damaged pictures before the first keyframe. The index does not contain them.
    if (frames.identity === "order" || ticks < (frames.pts[0] as number)) continue;
    const position = frameAt(frames, ticks);
    matches &&= position > last;
    skips ||= position > last + 1;
    last = position;
  }
  if (pictures === 0) throw mediaUnreadable("No frame of the video can be decoded.");
  return matches && !(skips && reorders && ascend(packets));
}

function ascend({ pts }: Packets): boolean {
  return pts.every((time, i) => i === 0 || time > (pts[i - 1] as number));
}

/** (n - 1) / span; the header's value where the two differ by no more than the tolerance of the times. */
function averageFps(
  pts: Float64Array,
  timeBaseS: number,
  { headerFps, toleranceS }: { headerFps: number; toleranceS: number },
): number {
  const intervals = pts.length - 1;
  const spanS = ((pts.at(-1) as number) - (pts[0] as number)) * timeBaseS;
  if (intervals < 1 || Math.abs(intervals / headerFps - spanS) <= toleranceS) return headerFps;
  return intervals / spanS;
}
