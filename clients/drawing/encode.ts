import { once } from "node:events";
import { PassThrough } from "node:stream";
import ffmpeg from "fluent-ffmpeg";

export interface VideoFormat {
  width: number;
  height: number;
  fps: number;
  /** ffmpeg to run. */
  ffmpegPath: string;
}

export interface VideoEncoder {
  /** `[height, width, 3]` uint8 RGB; resolves when the encoder can take more. The buffer must not be reused. */
  write(rgb: Uint8Array): Promise<void>;
  /** Resolves when the file is complete. */
  finish(): Promise<void>;
  /** Ends the encoder; an unfinished file stays as it is. Harmless after `finish`. */
  abort(): Promise<void>;
}

/**
 * Writes H.264 as every player takes it: yuv420p, which needs even sizes. An odd width or height grows by one pixel that
 * repeats the edge. The container follows the name of the file.
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
  const command = ffmpeg({ stdoutLines: 20 })
    .setFfmpegPath(ffmpegPath)
    .input(input)
    .inputOptions([
      ...["-hide_banner", "-nostats", "-f", "rawvideo", "-pix_fmt", "rgb24"],
      ...["-s", `${width}x${height}`, "-r", String(fps)],
    ])
    .outputOptions([
      ...["-y", "-vf", filters.join(","), "-c:v", "libx264", "-preset", "veryfast", "-crf", "18"],
      ...["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"],
      ...["-movflags", "+faststart"],
    ])
    .output(path);

  const ended = new Promise<void>((resolve, reject) => {
    command.on("end", () => resolve());
    command.on("error", (error: Error, _stdout: string | null, stderr: string | null) => {
      const reason = stderr?.trim().split("\n").at(-1) || error.message;
      reject(new Error(`${path} cannot be written: ${reason}`, { cause: error }));
    });
  });
  ended.catch(() => {});
  // When ffmpeg is gone, its pipe breaks; `ended` says why.
  input.on("error", () => {});
  command.run();

  return {
    async write(rgb) {
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
      command.kill("SIGKILL");
      input.destroy();
      await ended.catch(() => {});
    },
  };
}
