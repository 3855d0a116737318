import type { ProbeRequest } from "./ffprobe.js";
import { rational } from "./numbers.js";
import type { OnProgress } from "./progress.js";
import { indexFrames, indexPackets, isCutShort, keyframePositions, type VideoIndex } from "./video-index.js";

/** What the index depends on, of a stream as ffprobe describes it. */
export interface IndexedStream {
  index: number;
  codec_name?: string | undefined;
  has_b_frames?: number | undefined;
  field_order?: string | undefined;
  time_base: string;
  avg_frame_rate?: string | undefined;
  r_frame_rate?: string | undefined;
  nb_frames?: string | undefined;
}

export interface IndexOptions {
  stream: IndexedStream;
  /** Start of the container in seconds, if its header states one. */
  containerStartS: number | undefined;
  maxFrames: number;
  onProgress?: OnProgress;
}

/**
 * Indexes a video by its packets, without decoding, except where packets and frames are known to differ: AVI stores no
 * presentation times, VP8 stores hidden reference frames as packets, interlaced video may use a packet for each field.
 */
export async function indexVideo(
  probe: ProbeRequest,
  { stream, containerStartS, maxFrames, onProgress }: IndexOptions,
): Promise<{ index: VideoIndex; numFrames: number; fps: number }> {
  const timeBaseS = rational(stream.time_base);
  const mustDecode =
    probe.demuxer === "avi" ||
    stream.codec_name === "vp8" ||
    ["tt", "bb", "tb", "bt"].includes(stream.field_order ?? "");
  const packets = mustDecode ? null : await indexPackets(probe, stream.index, maxFrames, onProgress);
  const ticks = packets?.ticks ?? (await indexFrames(probe, stream.index, maxFrames, onProgress));
  const found = ticks.pts.length;
  const spanS = ((ticks.pts[found - 1] as number) - (ticks.pts[0] as number)) * timeBaseS;
  const fps =
    rational(stream.avg_frame_rate) ||
    (found > 1 && (found - 1) / spanS) ||
    rational(stream.r_frame_rate) ||
    25;

  // A header may state a start after the first frame; times would be negative.
  const firstS = (ticks.pts[0] as number) * timeBaseS;
  const startS = Math.min(containerStartS ?? 0, firstS);
  // AVI has no presentation times: those of reordered frames are estimates of ffmpeg that change with every seek.
  const byCount = !ticks.unique || (probe.demuxer === "avi" && (stream.has_b_frames ?? 0) > 0);
  const index: VideoIndex = ticks.unique
    ? { pts: ticks.pts, timeBaseS, startS, keyframes: keyframePositions(ticks.pts, ticks.keyPts), byCount }
    : {
        pts: ticks.pts.map((_, i) => i),
        timeBaseS: 1 / fps,
        startS: 0,
        keyframes: new Int32Array(),
        byCount,
      };

  // A truncated file counts every frame that its header announces: reaching a missing one is an error, not the end.
  const announced = Number(stream.nb_frames ?? 0);
  const missing =
    packets && announced > packets.packets && (await isCutShort(probe.path))
      ? announced - packets.packets
      : 0;
  return { index, numFrames: found + missing, fps };
}
