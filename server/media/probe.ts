import { z } from "zod";
import { mediaUnreadable, mediaUnsupported } from "./errors.js";
import { ffprobeLines, type ProbeRequest } from "./ffprobe.js";
import type { MediaLimits } from "./limits.js";
import { type Orientation, parseDisplayMatrix, rotationDegrees, UPRIGHT } from "./orientation.js";
import type { Demuxer } from "./sniff.js";
import type { VideoFacts } from "./source.js";
import {
  indexFrames,
  indexPackets,
  isCutShort,
  keyframePositions,
  timestampUs,
  type VideoIndex,
} from "./video-index.js";

/** What decoding needs beyond the facts. */
export interface ProbedVideo {
  facts: VideoFacts;
  path: string;
  demuxer: Demuxer;
  /** Position of the video stream in the file. */
  stream: number;
  orientation: Orientation;
  index: VideoIndex;
}

const Stream = z.object({
  index: z.number(),
  codec_type: z.string().optional(),
  codec_name: z.string().optional(),
  width: z.number().optional(),
  height: z.number().optional(),
  has_b_frames: z.number().optional(),
  field_order: z.string().optional(),
  time_base: z.string(),
  avg_frame_rate: z.string().optional(),
  r_frame_rate: z.string().optional(),
  duration: z.string().optional(),
  nb_frames: z.string().optional(),
  disposition: z.object({ attached_pic: z.number().optional() }).optional(),
  side_data_list: z.array(z.object({ displaymatrix: z.string().optional() })).optional(),
});
type Stream = z.infer<typeof Stream>;

const Header = z.object({
  streams: z.array(Stream).default([]),
  format: z.object({ start_time: z.string().optional(), duration: z.string().optional() }).default({}),
});

/** What {@link Header} contains, for `-show_entries`. No tags: their size has no limit. */
const HEADER_ENTRIES = [
  "stream=index,codec_type,codec_name,width,height,has_b_frames,field_order,time_base,avg_frame_rate,r_frame_rate," +
    "duration,nb_frames",
  "stream_disposition=attached_pic",
  // The whole list: ffprobe versions differ in how they name the entries of one item.
  "stream_side_data_list",
  "format=start_time,duration",
].join(":");

/** ffprobe prints about 600 bytes for each stream and accepts at most 1000 streams. */
const MAX_HEADER_BYTES = 1024 * 1024;

/** Decoders are the largest attack surface: those for formats that cameras and editors do not write are not used. */
const CODECS = new Set(
  (
    "h264 hevc av1 vp8 vp9 mpeg4 mpeg1video mpeg2video h263 msmpeg4v2 msmpeg4v3 wmv1 wmv2 wmv3 vc1 mjpeg prores " +
    "dnxhd cfhd ffv1 huffyuv ffvhuff utvideo magicyuv qtrle png rawvideo v210 dvvideo theora cinepak"
  ).split(" "),
);

/**
 * Reads the header and the index of a video. Throws `media_unreadable` when it is damaged, `media_unsupported` when it is
 * not a video or exceeds the limits.
 */
export async function probeVideo(
  path: string,
  demuxer: Demuxer,
  limits: MediaLimits,
  signal?: AbortSignal,
): Promise<ProbedVideo> {
  const probe: ProbeRequest = { path, demuxer, timeoutMs: limits.probeTimeoutMs, ...(signal && { signal }) };
  const header = await readHeader(probe);
  const stream = header.streams.find((s) => s.codec_type === "video" && s.disposition?.attached_pic !== 1);
  if (!stream) {
    const audio = header.streams.some((s) => s.codec_type === "audio");
    throw mediaUnsupported(`The file contains no video${audio ? ", only sound" : ""}.`);
  }
  const codec = stream.codec_name ?? "unknown";
  if (!CODECS.has(codec)) throw mediaUnsupported(`The codec "${codec}" is not supported.`);
  const { width: storedWidth = 0, height: storedHeight = 0 } = stream;
  if (storedWidth < 1 || storedHeight < 1) throw mediaUnreadable("The video has no frame size.");
  if (storedWidth * storedHeight > limits.maxPixels) {
    throw mediaUnsupported(
      `The video is ${storedWidth}×${storedHeight}; the limit is ${limits.maxPixels} pixels per frame.`,
    );
  }

  const matrix = stream.side_data_list?.find((data) => data.displaymatrix)?.displaymatrix;
  const orientation = (matrix && parseDisplayMatrix(matrix)) || UPRIGHT;
  const { index, numFrames, fps } = await indexVideo(probe, stream, header, limits);
  return {
    path,
    demuxer,
    stream: stream.index,
    orientation,
    index,
    facts: {
      kind: "video",
      width: orientation.transpose ? storedHeight : storedWidth,
      height: orientation.transpose ? storedWidth : storedHeight,
      numFrames,
      fps,
      codec,
      durationS: seconds(stream.duration) ?? seconds(header.format.duration) ?? durationOf(index, fps),
      rotationDeg: rotationDegrees(orientation),
    },
  };
}

async function readHeader(probe: ProbeRequest): Promise<z.infer<typeof Header>> {
  const lines: string[] = [];
  await ffprobeLines(probe, {
    options: ["-show_entries", HEADER_ENTRIES, "-of", "json"],
    maxBytes: MAX_HEADER_BYTES,
    onLine: (line) => void lines.push(line),
  });
  let json: unknown;
  try {
    json = JSON.parse(lines.join("\n"));
  } catch (cause) {
    throw mediaUnreadable("The video cannot be read.", cause);
  }
  const header = Header.safeParse(json);
  if (!header.success) throw mediaUnreadable("The video's header is invalid.", header.error);
  return header.data;
}

/**
 * Indexes a video by its packets, without decoding, except where packets and frames are known to differ: AVI stores no
 * presentation times, VP8 stores hidden reference frames as packets, interlaced video may use a packet for each field.
 */
async function indexVideo(
  probe: ProbeRequest,
  stream: Stream,
  header: z.infer<typeof Header>,
  limits: MediaLimits,
): Promise<{ index: VideoIndex; numFrames: number; fps: number }> {
  const timeBaseS = rational(stream.time_base);
  const mustDecode =
    probe.demuxer === "avi" ||
    stream.codec_name === "vp8" ||
    ["tt", "bb", "tb", "bt"].includes(stream.field_order ?? "");
  const packets = mustDecode ? null : await indexPackets(probe, stream.index, limits.maxFrames);
  const ticks = packets?.ticks ?? (await indexFrames(probe, stream.index, limits.maxFrames));
  const found = ticks.pts.length;
  const spanS = ((ticks.pts[found - 1] as number) - (ticks.pts[0] as number)) * timeBaseS;
  const fps =
    rational(stream.avg_frame_rate) ||
    (found > 1 && (found - 1) / spanS) ||
    rational(stream.r_frame_rate) ||
    25;

  // A header may state a start after the first frame; times would be negative.
  const firstS = (ticks.pts[0] as number) * timeBaseS;
  const startS = Math.min(seconds(header.format.start_time) ?? 0, firstS);
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

/** Duration in seconds, from the last frame's time. */
function durationOf(index: VideoIndex, fps: number): number {
  return timestampUs(index, index.pts.length - 1) / 1e6 + 1 / fps;
}

/** "30000/1001" as a number; 0 for "0/0" and for a missing value. */
function rational(text: string | undefined): number {
  const [numerator, denominator] = (text ?? "").split("/").map(Number);
  return numerator && denominator ? numerator / denominator : 0;
}

function seconds(text: string | undefined): number | undefined {
  const value = Number(text ?? Number.NaN);
  return Number.isFinite(value) ? value : undefined;
}
