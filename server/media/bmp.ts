/** BMP pictures. libvips does not read them; ffmpeg decodes all their variants. */

import { MEDIA_LIMITS } from "../../protocol/limits.js";
import type { PictureSource } from "../pictures/source.js";
import { ffmpegPath } from "./binaries.js";
import { ffmpegArguments, guardOptions, inputOptions } from "./ffmpeg.js";
import type { MediaLimits } from "./limits.js";
import type { MediaFile } from "./media-file.js";
import { checkRan, startTool } from "./tool-process.js";

/** The size in a BMP's header; null when it is invalid. `head` contains at least the first 26 bytes. */
export function bmpSize(head: Uint8Array): { width: number; height: number } | null {
  if (head.length < 26) return null;
  const view = new DataView(head.buffer, head.byteOffset);
  const isCore = view.getUint32(14, true) === 12;
  const width = isCore ? view.getUint16(18, true) : view.getInt32(18, true);
  // The height of a picture that is stored from the top row down is negative.
  const height = Math.abs(isCore ? view.getUint16(20, true) : view.getInt32(22, true));
  return width > 0 && height > 0 ? { width, height } : null;
}

/**
 * The pixels of a BMP as ffmpeg decodes them: `[height, width, 3]` uint8.
 *
 * @param size in the header
 * @throws Error while the parts are read, when the picture is damaged or ffmpeg makes no progress for `stallTimeoutMs`
 */
export function bmpSource(
  file: MediaFile,
  size: { width: number; height: number },
  limits: MediaLimits,
): PictureSource {
  const byteLength = size.width * size.height * 3;
  return { byteLength, parts: () => decodeBmp(file, byteLength, limits) };
}

async function* decodeBmp(
  file: MediaFile,
  bytes: number,
  limits: MediaLimits,
): AsyncGenerator<Uint8Array, void, undefined> {
  const binary = ffmpegPath();
  const guard = guardOptions({ decoders: "bmp", maxPixels: MEDIA_LIMITS.maxPixels.value });
  const tool = await file.lend(({ files, path }) =>
    startTool({
      name: "ffmpeg",
      binary,
      files,
      args: ffmpegArguments({
        path,
        input: ["-threads", "1", ...guard, ...inputOptions("bmp_pipe")],
        output: ["-frames:v", "1", "-pix_fmt", "rgb24", "-c:v", "rawvideo", "-f", "rawvideo"],
      }),
      maxLogBytes: 1024 * 1024,
    }),
  );
  const timer = setTimeout(() => void tool.kill(), limits.stallTimeoutMs);
  try {
    let filled = 0;
    for await (const chunk of tool.stdout as AsyncIterable<Buffer>) {
      timer.refresh();
      filled += chunk.length;
      yield chunk;
    }
    const exit = await tool.exited;
    checkRan("ffmpeg", binary, exit);
    if (exit.code !== 0 || filled < bytes) throw new Error(exit.logTail || "ffmpeg wrote no picture");
  } finally {
    clearTimeout(timer);
    await tool.kill();
  }
}
