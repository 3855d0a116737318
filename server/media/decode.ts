import { ffmpegPath, passthroughOptions } from "./binaries.js";
import { mediaUnreadable } from "./errors.js";
import { type FfmpegExit, inputOptions, runFfmpeg } from "./ffmpeg.js";
import { orientationFilters } from "./orientation.js";
import type { ProbedVideo } from "./probe.js";
import { frameAt, keyframeBefore, timestampUs, type VideoIndex } from "./video-index.js";

export interface DecodeRequest {
  video: ProbedVideo;
  /** Size of the pictures wanted; the aspect ratio is not kept. */
  width: number;
  height: number;
  /** First frame wanted, and the first one no longer wanted. */
  startFrame: number;
  endFrame: number;
  stallTimeoutMs: number;
  signal?: AbortSignal;
  /** Told of every process that is started: a promise of its end. */
  onProcess?: (exited: Promise<unknown>) => void;
}

export interface DecodedFrame {
  index: number;
  /** Presentation time since the container's start. */
  timestampUs: number;
  /** `[height, width, 3]` uint8, upright; a buffer of its own. */
  rgb: Uint8Array;
}

/**
 * How many frames in a row may be missing from a damaged video before it counts as unreadable. Until then the picture
 * before stands in for them, as in a player, so that frames keep their numbers.
 */
const MAX_REPEATED_FRAMES = 30;

/** Enough to keep up with any model here; the rest of the machine is the model's. */
const DECODER_THREADS = 2;

/**
 * Bilinear over the area that a pixel covers, as `readStill` does with sharp: the resampling that models are trained
 * with. The other two flags keep the colours of small pictures within a level or two of the full-size ones.
 */
const SCALER = "bilinear+accurate_rnd+full_chroma_int";

/**
 * The frames `startFrame` … `endFrame - 1` in order, one ffmpeg process at a time. A consumer that pauses pauses
 * ffmpeg; one that stops (`return()`, `break`, an error, the signal) ends it, and has waited for its end.
 *
 * Throws `media_unreadable` naming the frame at which a damaged or shortened file gives out.
 */
export async function* decodeFrames(request: DecodeRequest): AsyncGenerator<DecodedFrame, void, undefined> {
  const { index } = request.video;
  const indexed = Math.min(request.endFrame, index.pts.length);
  let next = request.startFrame;
  let last: Uint8Array | undefined;

  const frame = (rgb: Uint8Array): DecodedFrame => {
    const position = next++;
    return { index: position, timestampUs: timestampUs(index, position), rgb };
  };
  async function* repeatLast(end: number, fallback?: Uint8Array) {
    if (end - next > MAX_REPEATED_FRAMES) throw cannotDecode(next);
    while (next < end) {
      last ??= (await pictureBefore(request, next)) ?? fallback;
      if (!last) throw cannotDecode(next);
      yield frame(last);
    }
  }

  for await (const picture of decodePictures(request, request.startFrame, indexed)) {
    yield* repeatLast(picture.index, picture.rgb);
    last = picture.rgb;
    yield frame(picture.rgb);
  }
  yield* repeatLast(indexed);
  if (next < request.endFrame) {
    throw cutShortBefore(next);
  }
}

/**
 * Decodes the first frame, to find out before anything is promised whether the video decodes at all, and whether
 * ffmpeg gives it the time that the index has. Where the two disagree (they may be of different versions), the index
 * comes back with `byCount` set.
 */
export async function verifyIndex(
  request: Omit<DecodeRequest, "startFrame" | "endFrame">,
): Promise<VideoIndex> {
  const { index } = request.video;
  const start = index.pts[0] as number;
  let ticks = await firstTicks(request, "trim=end_frame=1");
  if (ticks === undefined) throw mediaUnreadable("Not one frame of the video can be decoded.");
  // Some decoders show the fragments before the first keyframe, which the index leaves out.
  if (ticks < start) ticks = await firstTicks(request, `trim=start_pts=${start}`);
  return ticks !== undefined && frameAt(index, ticks) >= 0 ? index : { ...index, byCount: true };
}

async function firstTicks(request: Omit<DecodeRequest, "startFrame" | "endFrame">, trim: string) {
  for await (const picture of runDecoder(request, [], trim)) return picture.ticks;
  return undefined;
}

interface Picture {
  index: number;
  rgb: Uint8Array;
}

/** The pictures that really decode, each under its frame number. Numbers ascend; there may be gaps. */
async function* decodePictures(request: DecodeRequest, start: number, end: number): AsyncGenerator<Picture> {
  const { index } = request.video;
  if (start >= end) return;
  if (index.byCount) {
    let position = start;
    const trim = `trim=start_frame=${start}:end_frame=${end}`;
    for await (const { rgb } of runDecoder(request, [], trim)) yield { index: position++, rgb };
    return;
  }

  const trim = `trim=start_pts=${index.pts[start]}:end_pts=${(index.pts[end - 1] as number) + 1}`;
  const keyframe = keyframeBefore(index, start);
  // Should a seek land behind the frame that was asked for, the pictures say so by their times: then from the start.
  const attempts = keyframe > 0 ? [seekTo(request.video, keyframe), []] : [[]];
  for (const [attempt, seek] of attempts.entries()) {
    const isLastAttempt = attempt === attempts.length - 1;
    let landed = isLastAttempt;
    for await (const { ticks, rgb } of runDecoder(request, seek, trim)) {
      const position = frameAt(index, ticks);
      if (position < start || position >= end) continue;
      landed ||= position === start;
      if (!landed) break;
      yield { index: position, rgb };
    }
    if (landed) return;
  }
}

/** The nearest picture before frame `index` that decodes, if there is one near enough. */
async function pictureBefore(request: DecodeRequest, index: number): Promise<Uint8Array | undefined> {
  let last: Uint8Array | undefined;
  for await (const { rgb } of decodePictures(request, Math.max(0, index - MAX_REPEATED_FRAMES), index))
    last = rgb;
  return last;
}

function seekTo({ index }: ProbedVideo, keyframe: number): string[] {
  // A microsecond more than the keyframe's time, lest rounding puts it just before.
  const timeS = (index.pts[keyframe] as number) * index.timeBaseS + 1e-6;
  return ["-seek_timestamp", "1", "-noaccurate_seek", "-ss", timeS.toFixed(6)];
}

/** The error for a frame that the header announces and that the file ends before. */
export function cutShortBefore(index: number): Error {
  return mediaUnreadable(`Frame ${index} cannot be read: the file was cut short before it.`);
}

function cannotDecode(index: number): Error {
  return mediaUnreadable(`Frame ${index} cannot be decoded: the file is damaged.`);
}

/**
 * One ffmpeg process: every picture that passes `trim`, with its presentation time, in the order shown. The times come
 * through the log of the showinfo filter, which writes a line before the picture leaves the pipe.
 */
async function* runDecoder(
  request: Omit<DecodeRequest, "startFrame" | "endFrame">,
  seek: string[],
  trim: string,
): AsyncGenerator<{ ticks: number; rgb: Uint8Array }> {
  const { video, width, height, signal } = request;
  const passthrough = await passthroughOptions(ffmpegPath());
  signal?.throwIfAborted();
  const [storedWidth, storedHeight] = video.orientation.transpose ? [height, width] : [width, height];
  const filters = [
    trim,
    `scale=${storedWidth}:${storedHeight}:flags=${SCALER}`,
    "format=rgb24",
    ...orientationFilters(video.orientation),
    "showinfo",
  ];
  const times = createQueue<number>();
  const run = runFfmpeg({
    path: video.path,
    // ffmpeg's own turning differs between versions, and its times must stay those of the index.
    input: [
      "-threads",
      String(DECODER_THREADS),
      "-noautorotate",
      "-copyts",
      ...seek,
      ...inputOptions(video.demuxer),
    ],
    output: [
      ...["-map", `0:${video.stream}`, "-filter:v", filters.join(",")],
      ...passthrough,
      ...["-c:v", "rawvideo", "-f", "rawvideo"],
    ],
    onLine(line) {
      const pts = /\bn: *\d+ +pts: *(\S+) +pts_time:/.exec(line)?.[1];
      if (pts !== undefined) times.push(Number(pts));
    },
  });
  request.onProcess?.(run.exited);
  run.exited.finally(times.end).catch(() => {});

  let stalled = false;
  const kill = () => void run.kill();
  const stallTimer = createStallTimer(request.stallTimeoutMs, () => {
    stalled = true;
    kill();
  });
  signal?.addEventListener("abort", kill, { once: true });
  try {
    const frameBytes = width * height * 3;
    let rgb = new Uint8Array(frameBytes);
    let filled = 0;
    const chunks = run.stdout[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
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
        yield { ticks: (await times.next()) ?? Number.NaN, rgb };
        signal?.throwIfAborted();
        rgb = new Uint8Array(frameBytes);
        filled = 0;
      }
    }
    const exit = await run.exited;
    signal?.throwIfAborted();
    if (stalled) throw mediaUnreadable(`Decoding made no progress for ${request.stallTimeoutMs} ms.`);
    if (exit.code !== 0) throw decoderFailed(exit);
  } finally {
    stallTimer.stop();
    signal?.removeEventListener("abort", kill);
    await run.kill();
  }
}

/** Null at the end, which a killed process may bring about abruptly. */
async function nextOrEnd(chunks: AsyncIterator<Buffer>): Promise<Buffer | null> {
  try {
    const { value, done } = await chunks.next();
    return done ? null : value;
  } catch {
    return null;
  }
}

function decoderFailed(exit: FfmpegExit): Error {
  const how = exit.code === null ? "the decoder was ended from outside" : "the decoder gave up";
  return mediaUnreadable(`The video cannot be decoded: ${how}.`, new Error(exit.stderrTail));
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

/** Hands out pushed values in order; after `end`, undefined once they are used up. */
function createQueue<T>() {
  const values: T[] = [];
  let ended = false;
  let wake = () => {};
  return {
    push(value: T) {
      values.push(value);
      wake();
    },
    end() {
      ended = true;
      wake();
    },
    async next(): Promise<T | undefined> {
      while (values.length === 0 && !ended) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return values.shift();
    },
  };
}
