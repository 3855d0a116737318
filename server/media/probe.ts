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

/** Decoders are the largest attack surface of all: those for formats that nobody films or edits in stay shut. */
const CODECS = new Set(
  (
    "h264 hevc av1 vp8 vp9 mpeg4 mpeg1video mpeg2video h263 msmpeg4v2 msmpeg4v3 wmv1 wmv2 wmv3 vc1 mjpeg prores " +
    "dnxhd cfhd ffv1 huffyuv ffvhuff utvideo magicyuv qtrle png rawvideo v210 dvvideo theora cinepak"
  ).split(" "),
);

/**
 * Reads what a video holds. Throws `media_unreadable` when it is damaged, `media_unsupported` when it is no video or
 * beyond the limits.
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
    throw mediaUnsupported(`The file holds no video${audio ? ", only sound" : ""}.`);
  }
  const codec = stream.codec_name ?? "unknown";
  if (!CODECS.has(codec)) throw mediaUnsupported(`Videos coded as "${codec}" are not supported.`);
  const { width: storedWidth = 0, height: storedHeight = 0 } = stream;
  if (storedWidth < 1 || storedHeight < 1) throw mediaUnreadable("The video does not say how large it is.");
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
      durationS: seconds(stream.duration) ?? seconds(header.format.duration) ?? lastsFor(index, fps),
      rotationDeg: rotationDegrees(orientation),
    },
  };
}

async function readHeader(probe: ProbeRequest): Promise<z.infer<typeof Header>> {
  const lines: string[] = [];
  await ffprobeLines(probe, ["-show_streams", "-show_format", "-of", "json"], (line) => lines.push(line));
  let json: unknown;
  try {
    json = JSON.parse(lines.join("\n"));
  } catch (cause) {
    throw mediaUnreadable("The video cannot be read.", cause);
  }
  const header = Header.safeParse(json);
  if (!header.success) throw mediaUnreadable("The video's header makes no sense.", header.error);
  return header.data;
}

/**
 * Packets tell the frames without decoding, except where they are known to lie: AVI stores no presentation times, VP8
 * hides reference frames in packets of their own, interlaced video may use a packet per field.
 */
async function indexVideo(
  probe: ProbeRequest,
  stream: Stream,
  header: z.infer<typeof Header>,
  limits: MediaLimits,
): Promise<{ index: VideoIndex; numFrames: number; fps: number }> {
  const timeBaseS = rational(stream.time_base);
  const doubtful =
    probe.demuxer === "avi" ||
    stream.codec_name === "vp8" ||
    ["tt", "bb", "tb", "bt"].includes(stream.field_order ?? "");
  const packets = doubtful ? null : await indexPackets(probe, stream.index, limits.maxFrames);
  const ticks = packets?.ticks ?? (await indexFrames(probe, stream.index, limits.maxFrames));
  const found = ticks.pts.length;
  const spanS = ((ticks.pts[found - 1] as number) - (ticks.pts[0] as number)) * timeBaseS;
  const fps =
    rational(stream.avg_frame_rate) ||
    (found > 1 && (found - 1) / spanS) ||
    rational(stream.r_frame_rate) ||
    25;

  // No frame is before the start, whatever the header has.
  const firstS = (ticks.pts[0] as number) * timeBaseS;
  const startS = Math.min(seconds(header.format.start_time) ?? 0, firstS);
  // Without presentation times in the file, those of reordered frames are guesses that change with every seek.
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

  // A file cut short opens with every frame it promises, so that reaching the missing ones is an error, not an end.
  const promised = Number(stream.nb_frames ?? 0);
  const missing =
    packets && promised > packets.packets && (await isCutShort(probe.path)) ? promised - packets.packets : 0;
  return { index, numFrames: found + missing, fps };
}

function lastsFor(index: VideoIndex, fps: number): number {
  return timestampUs(index, index.pts.length - 1) / 1e6 + 1 / fps;
}

/** "30000/1001" as a number; 0 for "0/0" and for nothing. */
function rational(text: string | undefined): number {
  const [numerator, denominator] = (text ?? "").split("/").map(Number);
  return numerator && denominator ? numerator / denominator : 0;
}

function seconds(text: string | undefined): number | undefined {
  const value = Number(text ?? Number.NaN);
  return Number.isFinite(value) ? value : undefined;
}
