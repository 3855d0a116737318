import { z } from "zod";
import { maxPicturePixels } from "./box/limits.js";
import { SUPPORTED_CODECS } from "./codecs.js";
import { checkDeclaredSamples } from "./declared-samples.js";
import { mediaUnreadable, mediaUnsupported } from "./errors.js";
import { ffprobeLines, type ProbeRequest } from "./ffprobe.js";
import { indexVideo } from "./index-video.js";
import { frameLimit, type MediaLimits } from "./limits.js";
import type { MediaFile } from "./media-file.js";
import { seconds } from "./numbers.js";
import { parseDisplayMatrix, rotationDegrees, UPRIGHT } from "./orientation.js";
import { assumedMatrix, displayedSize, type Size } from "./picture-shape.js";
import { UNLIMITED_PLACES } from "./places.js";
import type { EncodedVideo, ProbedVideo } from "./probed-video.js";
import type { Demuxer } from "./sniff.js";
import type { OpenMediaOptions } from "./source.js";
import { videoClock } from "./video-clock.js";
import { timestampUs, type VideoIndex } from "./video-index.js";

const Stream = z.object({
  index: z.number(),
  codec_type: z.string().optional(),
  codec_name: z.string().optional(),
  width: z.number().optional(),
  height: z.number().optional(),
  sample_aspect_ratio: z.string().optional(),
  color_space: z.string().optional(),
  time_base: z.string(),
  avg_frame_rate: z.string().optional(),
  r_frame_rate: z.string().optional(),
  start_time: z.string().optional(),
  duration: z.string().optional(),
  nb_frames: z.string().optional(),
  disposition: z.object({ attached_pic: z.number().optional(), default: z.number().optional() }).optional(),
  side_data_list: z.array(z.object({ displaymatrix: z.string().optional() })).optional(),
});
type Stream = z.infer<typeof Stream>;

const Header = z.object({
  streams: z.array(Stream).default([]),
  format: z.object({ start_time: z.string().optional(), duration: z.string().optional() }).default({}),
});

/** What {@link Header} contains, for `-show_entries`. No tags: their size has no limit. */
const HEADER_ENTRIES = [
  "stream=index,codec_type,codec_name,width,height,sample_aspect_ratio,color_space,time_base,avg_frame_rate," +
    "r_frame_rate,start_time,duration,nb_frames",
  "stream_disposition=attached_pic,default",
  // The whole list: ffprobe versions differ in how they name the entries of one item.
  "stream_side_data_list",
  "format=start_time,duration",
].join(":");

/** ffprobe prints about 600 bytes for each stream and accepts at most 1000 streams. */
const MAX_HEADER_BYTES = 1024 * 1024;

export type ProbeOptions = Pick<OpenMediaOptions, "signal" | "onProgress" | "places">;

/**
 * Reads the header and the index of a video. Throws `media_unreadable` when it is damaged, `media_unsupported` when it is
 * not a video or exceeds the limits, `server_busy` when too many videos are opened at once.
 */
export async function probeVideo(
  file: MediaFile,
  demuxer: Demuxer,
  limits: MediaLimits,
  options: ProbeOptions = {},
): Promise<ProbedVideo> {
  const { signal, places = UNLIMITED_PLACES } = options;
  let place = await places.probe(signal);
  try {
    return await probeInPlace(file, demuxer, limits, options, async (maxPicturePixels) => {
      // Decoding can take long. Other files are probed meanwhile.
      place.release();
      place = await places.decode({ maxPicturePixels, ...(signal && { signal }) });
    });
  } finally {
    place.release();
  }
}

/** @param beforeDecoding called once, when the packets are read */
async function probeInPlace(
  file: MediaFile,
  demuxer: Demuxer,
  limits: MediaLimits,
  { signal, onProgress }: ProbeOptions,
  beforeDecoding: (maxPicturePixels: number) => Promise<void>,
): Promise<ProbedVideo> {
  const probe: ProbeRequest = {
    file,
    demuxer,
    stallTimeoutMs: limits.stallTimeoutMs,
    ...(signal && { signal }),
  };
  if (demuxer === "mov") await checkDeclaredSamples(file);
  const header = await readHeader(probe);
  const stream = chooseStream(header.streams, demuxer);
  if (!stream) {
    const audio = header.streams.some((s) => s.codec_type === "audio");
    throw mediaUnsupported(`The file contains no video${audio ? ", only sound" : ""}.`);
  }
  const codec = stream.codec_name ?? "unknown";
  if (!SUPPORTED_CODECS.has(codec)) throw mediaUnsupported(`The codec "${codec}" is not supported.`);
  const stored = { width: stream.width ?? 0, height: stream.height ?? 0 };
  if (stored.width < 1 || stored.height < 1) throw mediaUnreadable("The video has no frame size.");
  const displayed = displayedSize(stored, stream.sample_aspect_ratio);
  checkSize(stored, "", limits);
  checkSize(displayed, " when displayed with square pixels", limits);

  const displayMatrix = stream.side_data_list?.find((data) => data.displaymatrix)?.displaymatrix;
  const orientation = (displayMatrix && parseDisplayMatrix(displayMatrix)) || UPRIGHT;
  const matrix = assumedMatrix(displayed.height, stream.color_space);
  const mostPixels = maxPicturePixels(stored, limits.maxPixels);
  const encoded: EncodedVideo = {
    ...{ file, demuxer, stream: stream.index, orientation, matrix },
    maxPicturePixels: mostPixels,
  };
  const { index, numFrames, fps } = await indexVideo(probe, {
    encoded,
    stream,
    limit: frameLimit(limits, await file.size(), "video"),
    beforeDecoding: () => beforeDecoding(mostPixels),
    ...(onProgress && { onProgress }),
  });
  const firstFrameS = (index.pts[0] as number) * index.timeBaseS;
  const clock = videoClock(demuxer, firstFrameS, seconds(header.format.start_time));
  const timedIndex = { ...index, startS: clock.originS };
  return {
    ...encoded,
    index: timedIndex,
    facts: {
      kind: "video",
      width: orientation.transpose ? displayed.height : displayed.width,
      height: orientation.transpose ? displayed.width : displayed.height,
      numFrames,
      fps,
      codec,
      startTimeUs: Math.round(clock.startS * 1e6),
      durationS: endS(timedIndex, numFrames, fps, demuxer === "mov" ? trackEndS(stream) : undefined),
      rotationDeg: rotationDegrees(orientation),
    },
  };
}

/**
 * The video track that browsers display. In MP4 and QuickTime it is the first that is enabled, or the first when none is;
 * ffprobe reports enabled tracks as default. In other containers it is the first; Chromium and Firefox ignore Matroska's
 * default flag. Cover pictures and chapter thumbnails are no video tracks.
 */
function chooseStream(streams: Stream[], demuxer: Demuxer): Stream | undefined {
  const videos = streams.filter((s) => s.codec_type === "video" && s.disposition?.attached_pic !== 1);
  const enabled = demuxer === "mov" ? videos.find((s) => s.disposition?.default === 1) : undefined;
  return enabled ?? videos[0];
}

function checkSize({ width, height }: Size, how: string, { maxPixels }: MediaLimits): void {
  if (width * height <= maxPixels) return;
  throw mediaUnsupported(
    `The video is ${width}×${height}${how}; the limit is ${maxPixels} pixels per frame.`,
  );
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
 * End of the last frame in seconds on the clock of its time. In containers other than MP4 and QuickTime, the length of a
 * track is often estimated or rounded, and the last frame is assumed to be as long as an average one.
 *
 * @param statedEndS end of the track as its header states it
 */
function endS(index: VideoIndex, numFrames: number, fps: number, statedEndS: number | undefined): number {
  const found = index.pts.length;
  const lastS = timestampUs(index, found - 1) / 1e6;
  if (statedEndS !== undefined && statedEndS - index.startS > lastS) return statedEndS - index.startS;
  return lastS + (1 + numFrames - found) / fps;
}

function trackEndS({ start_time, duration }: Stream): number | undefined {
  const [startS, lengthS] = [seconds(start_time), seconds(duration)];
  return startS === undefined || lengthS === undefined ? undefined : startS + lengthS;
}
