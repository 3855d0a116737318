/** One run of ffmpeg that decodes pictures of a video. */
import { ffmpegPath } from "./binaries.js";
import { decoderLimits } from "./box/limits.js";
import { mediaUnreadable, mediaUnsupported } from "./errors.js";
import { ffmpegArguments, guardOptions, inputOptions, refusedSize } from "./ffmpeg.js";
import { demuxerEnvironment } from "./gconv.js";
import { orientationFilters } from "./orientation.js";
import type { EncodedVideo } from "./probed-video.js";
import { createQueue } from "./queue.js";
import { limitExceeded } from "./tool-errors.js";
import { decoderList, passthroughOptions } from "./tool-facts.js";
import { checkRan, startTool, type ToolExit } from "./tool-process.js";

export interface DecoderRequest {
  video: EncodedVideo;
  /** Size of the pictures wanted; the aspect ratio is not kept. */
  width: number;
  height: number;
  /** How long ffmpeg may take for one picture. */
  stallTimeoutMs: number;
  signal?: AbortSignal;
  /** See `decoderPriority`. */
  priority?: "normal" | "low";
  /** Called for every process started, with a promise that settles when it has ended. */
  onProcess?: (ended: Promise<unknown>) => void;
}

export interface DecoderRun {
  /** Input options that seek; empty to decode from the file's start. */
  seek: string[];
  /** The ffmpeg filter that selects the pictures. */
  filter: string;
  /** How many pictures ffmpeg decodes at most, those that the filter removes included. */
  pictures: number;
  /** Scale by taking single pixels, where only times and keyframes are of interest. */
  roughly?: boolean;
  /** Default: {@link DECODER_THREADS}. With one, a damaged picture is the same in every run. */
  threads?: number;
}

export interface DecodedPicture {
  /** Presentation time on the clock of the index; NaN when ffmpeg reports none. */
  ticks: number;
  /** True when the codec marks the picture as decodable without others. */
  isKey: boolean;
  /** True when the picture may depend on a later one, so that the two are decoded in the other order. */
  isBidirectional: boolean;
  /** True when the decoder concealed damage before it, at most a few pictures ahead. */
  isConcealed: boolean;
  /** `[height, width, 3]` uint8, upright; a buffer of its own. */
  rgb: Uint8Array;
}

/** Threads of one ffmpeg. Two decode faster than any model here consumes; the other cores are for the model. */
const DECODER_THREADS = 2;

/**
 * Bilinear over the area that a pixel covers, as `readStill` does with sharp: the resampling that models are trained
 * with. The other two flags keep the colours of small pictures within a level or two of the full-size ones.
 */
const SCALER = "bilinear+accurate_rnd+full_chroma_int";

/**
 * Bytes of ffmpeg's log after which a run is ended: a fixed part, and a part for each picture. showinfo prints about 500
 * bytes for a picture, damage can add a few lines. The log also contains the file's tags, where a line break of one byte
 * becomes a line of 46 bytes.
 */
const MAX_LOG_BYTES = 4 * 1024 * 1024;
const MAX_LOG_BYTES_PER_PICTURE = 16 * 1024;

/** Time and kind of a picture in a line of showinfo. Tags are logged with an indent, so that none can match. */
const SHOWN = /^\[Parsed_showinfo_\d+ @ [^\]]*\] n: *\d+ +pts: *(\S+) +pts_time:.* iskey:([01]) type:(\S) /;

/** A decoder or a filter has reached the limit on memory. Lines of tags begin with spaces. */
const OUT_OF_MEMORY = /^(?:\[|Error ).*(?:cannot allocate memory|malloc of size|memory allocation)/i;

/** A decoder has filled the damaged parts of a picture. */
const CONCEALED = /^\[[^\]]*\] concealing \d+ DC,/;

/**
 * Every picture that passes the filter, with its presentation time, in presentation order. The times are read from the
 * log of the showinfo filter, which prints a line before the picture is written to the pipe.
 *
 * Throws `media_unreadable` when ffmpeg fails or makes no progress, and the errors of {@link startTool}.
 */
export async function* runDecoder(request: DecoderRequest, run: DecoderRun): AsyncGenerator<DecodedPicture> {
  const { width, height, stallTimeoutMs, signal } = request;
  const binary = ffmpegPath();
  const [passthrough, decoders] = await Promise.all([passthroughOptions(binary), decoderList(binary)]);
  signal?.throwIfAborted();
  const { maxPicturePixels } = request.video;
  const limits = decoderLimits({ maxPicturePixels, outputPixels: width * height, pictures: run.pictures });
  const shown = createQueue<Omit<DecodedPicture, "rgb">>();
  let isConcealed = false;
  let refusal: Error | undefined;
  const refuse = (error: Error) => {
    refusal ??= error;
    starting.then(
      (tool) => tool.kill(),
      () => {},
    );
  };
  const onLogLine = (line: string) => {
    const size = refusedSize(line);
    if (size) refuse(pictureTooLarge(size, maxPicturePixels));
    // ffmpeg goes on after a picture for which it has no memory, as after a damaged one.
    if (OUT_OF_MEMORY.test(line)) refuse(limitExceeded("memory", limits, new Error(line)));
    const match = SHOWN.exec(line);
    isConcealed ||= CONCEALED.test(line);
    if (!match) return;
    shown.push({
      ticks: Number(match[1]),
      isKey: match[2] === "1",
      isBidirectional: match[3] === "B",
      isConcealed,
    });
    isConcealed = false;
  };
  const starting = request.video.file.lend(({ files, path }) =>
    startTool({
      name: "ffmpeg",
      binary,
      files,
      args: decoderArguments(path, request, run, { passthrough, decoders }),
      env: demuxerEnvironment(request.video.demuxer),
      limits,
      ...(request.priority && { priority: request.priority }),
      onLogLine,
      maxLogBytes: MAX_LOG_BYTES + run.pictures * MAX_LOG_BYTES_PER_PICTURE,
    }),
  );
  const ended = starting.then((tool) => tool.exited);
  ended.then(shown.end, shown.end);
  request.onProcess?.(ended);
  const tool = await starting;

  let stalled = false;
  const kill = () => void tool.kill();
  const stallTimer = createStallTimer(stallTimeoutMs, () => {
    stalled = true;
    kill();
  });
  signal?.addEventListener("abort", kill, { once: true });
  if (signal?.aborted) kill();
  try {
    const frameBytes = width * height * 3;
    let rgb = new Uint8Array(frameBytes);
    let filled = 0;
    const chunks = tool.stdout[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    for (;;) {
      stallTimer.start();
      const chunk = await nextOrEnd(chunks);
      stallTimer.stop();
      if (!chunk) break;
      for (let offset = 0; offset < chunk.length; ) {
        const part = chunk.subarray(offset, offset + frameBytes - filled);
        rgb.set(part, filled);
        offset += part.length;
        filled += part.length;
        if (filled < frameBytes) continue;
        stallTimer.start();
        const info = (await shown.next()) ?? {
          ticks: Number.NaN,
          isKey: false,
          isBidirectional: false,
          isConcealed: false,
        };
        stallTimer.stop();
        if (stalled) break;
        yield { ...info, rgb };
        signal?.throwIfAborted();
        rgb = new Uint8Array(frameBytes);
        filled = 0;
      }
    }
    stallTimer.start();
    const exit = await tool.exited;
    stallTimer.stop();
    signal?.throwIfAborted();
    if (refusal) throw refusal;
    if (stalled) throw mediaUnreadable(`Decoding made no progress for ${stallTimeoutMs} ms.`);
    checkRan("ffmpeg", binary, exit);
    if (exit.code !== 0) throw decoderFailed(exit);
  } finally {
    stallTimer.stop();
    signal?.removeEventListener("abort", kill);
    await tool.kill();
  }
}

function decoderArguments(
  path: string,
  { video, width, height }: DecoderRequest,
  { seek, filter, roughly, threads = DECODER_THREADS }: DecoderRun,
  { passthrough, decoders }: { passthrough: string[]; decoders: string },
): string[] {
  const [scaledWidth, scaledHeight] = video.orientation.transpose ? [height, width] : [width, height];
  const matrix = video.matrix ? `:in_color_matrix=${video.matrix}` : "";
  const filters = [
    filter,
    `scale=${scaledWidth}:${scaledHeight}:flags=${roughly ? "neighbor" : SCALER}${matrix}`,
    "format=rgb24",
    ...orientationFilters(video.orientation),
    "showinfo",
  ];
  return ffmpegArguments({
    path,
    // ffmpeg's own rotation differs between versions, and its times must stay those of the index.
    input: [
      ...["-threads", String(threads), "-noautorotate", "-copyts"],
      // When the size changes, the scaler adapts. New filters would count and select from the beginning.
      ...["-reinit_filter", "0"],
      // However much of a file is damaged, the rest is decoded.
      ...["-max_error_rate", "1"],
      ...["-filter_threads", String(threads)],
      ...guardOptions({ decoders, maxPixels: video.maxPicturePixels }),
      ...seek,
      ...inputOptions(video.demuxer),
    ],
    output: [
      ...["-map", `0:${video.stream}`, "-filter:v", filters.join(",")],
      ...passthrough,
      ...["-c:v", "rawvideo", "-f", "rawvideo"],
    ],
  });
}

/** Input options that seek to the keyframe at a time in ticks. */
export function seekTo({ timeBaseS }: { timeBaseS: number }, ticks: number): string[] {
  // A microsecond more: rounding must not put the target before the keyframe.
  const timeS = ticks * timeBaseS + 1e-6;
  return ["-seek_timestamp", "1", "-noaccurate_seek", "-ss", timeS.toFixed(6)];
}

/** Null at the end, and when the pipe breaks because the process was killed. */
async function nextOrEnd(chunks: AsyncIterator<Buffer>): Promise<Buffer | null> {
  try {
    const { value, done } = await chunks.next();
    return done ? null : value;
  } catch {
    return null;
  }
}

function pictureTooLarge(size: string, maxPixels: number): Error {
  return mediaUnsupported(
    `The video changes its size to ${size}; the limit for a frame of this video is ${maxPixels} pixels.`,
  );
}

function decoderFailed({ code, logTail, logExceeded }: ToolExit): Error {
  const cause = new Error(logTail);
  if (logExceeded) {
    const reason = "ffmpeg logs too much about it, as with very long tags or heavy damage";
    return mediaUnreadable(`The video cannot be decoded: ${reason}.`, cause);
  }
  const reason = code === null ? "ffmpeg was killed" : `ffmpeg failed with exit code ${code}`;
  return mediaUnreadable(`The video cannot be decoded: ${reason}.`, cause);
}

function createStallTimer(timeoutMs: number, onStall: () => void) {
  let timer: NodeJS.Timeout | undefined;
  return {
    start() {
      timer = setTimeout(onStall, timeoutMs);
    },
    stop() {
      clearTimeout(timer);
    },
  };
}
