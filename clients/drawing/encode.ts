import { once } from "node:events";
import { PassThrough } from "node:stream";
import ffmpeg from "fluent-ffmpeg";
import {
  TIMED_INPUT,
  timedHeader,
  timedOutput,
  timedPictureHeader,
} from "../../server/media/timed-pictures.js";
import { startTool } from "../../server/media/tool-process.js";

export interface VideoFormat {
  width: number;
  height: number;
  /** Frames per second, or `Timed` when every frame has a time of its own. */
  fps: number | Timed;
  /** Path of the ffmpeg binary. */
  ffmpegPath: string;
}

export interface Timed {
  /** The options that make this ffmpeg write every frame exactly once; they differ between versions. */
  passthrough: readonly string[];
}

export interface VideoEncoder {
  /**
   * Adds a frame, `[height, width, 3]` uint8 RGB. Resolves when the encoder can take the next one; rejects when ffmpeg
   * has failed. The buffer must not be reused.
   *
   * @param timeUs with `Timed`: its time in microseconds from 0, above that of the frame before
   */
  write(rgb: Uint8Array, timeUs?: number): Promise<void>;
  /** Resolves when the file is complete; rejects when ffmpeg has failed. */
  finish(): Promise<void>;
  /** Ends the encoder and keeps an unfinished file as it is. May be called after `finish`. */
  abort(): Promise<void>;
}

/**
 * Writes H.264 in the pixel format that every player supports: yuv420p, which needs even sizes. An odd width or height
 * grows by one pixel that repeats the edge. The extension of the file selects the container.
 */
export function openEncoder(path: string, { width, height, fps, ffmpegPath }: VideoFormat): VideoEncoder {
  const input = new PassThrough({ highWaterMark: width * height * 3 });
  const evenWidth = width + (width % 2);
  const evenHeight = height + (height % 2);
  const filters = [
    "scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd+full_chroma_int",
    "format=yuv420p",
  ];
  if (evenWidth !== width || evenHeight !== height) {
    filters.unshift(
      `pad=${evenWidth}:${evenHeight}`,
      `fillborders=right=${evenWidth - width}:bottom=${evenHeight - height}:mode=smear`,
    );
  }
  const timed = typeof fps === "number" ? undefined : fps;
  const inputFormat = timed
    ? TIMED_INPUT
    : ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", `${width}x${height}`, "-r", String(fps)];
  const args = ffmpeg()
    .input("pipe:0")
    .inputOptions(["-hide_banner", "-nostats", ...inputFormat])
    .outputOptions([
      ...["-y", "-vf", filters.join(","), "-c:v", "libx264", "-preset", "veryfast", "-crf", "18"],
      ...["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"],
      ...["-movflags", "+faststart"],
      ...(timed ? timedOutput(timed.passthrough) : []),
    ])
    .output(path)
    ._getArguments();

  const starting = startTool({ name: "ffmpeg", binary: ffmpegPath, args, input: true, box: "none" });
  if (timed) input.write(timedHeader({ width, height }));
  const ended = (async () => {
    const tool = await starting;
    // When ffmpeg ends early, its pipe breaks; the exit has the reason.
    if (tool.stdin) input.pipe(tool.stdin);
    tool.stdout.resume();
    const { code, logTail } = await tool.exited;
    if (code === 0) return;
    const reason = logTail.trim().split("\n").at(-1) || `ffmpeg ended with ${code ?? "a signal"}`;
    throw new Error(`${path} cannot be written: ${reason}`);
  })();
  ended.catch(() => {});
  input.on("error", () => {});

  return {
    async write(rgb, timeUs = 0) {
      if (timed) input.write(timedPictureHeader(rgb.length, timeUs));
      if (input.write(rgb)) return;
      const waiting = new AbortController();
      try {
        await Promise.race([once(input, "drain", { signal: waiting.signal }), ended]);
      } finally {
        waiting.abort();
      }
    },
    async finish() {
      input.end();
      await ended;
    },
    async abort() {
      input.destroy();
      await starting.then(
        (tool) => tool.kill(),
        () => {},
      );
    },
  };
}
