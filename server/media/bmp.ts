/** BMP pictures. sharp does not read them; ffmpeg decodes all their variants. */
import { ffmpegPath } from "./binaries.js";
import { ffmpegArguments, inputOptions } from "./ffmpeg.js";
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
 * Decodes a BMP with ffmpeg.
 *
 * @param head at least the first 26 bytes
 * @throws Error when the picture is damaged or takes longer than `stallTimeoutMs`
 */
export async function readBmp(
  file: MediaFile,
  head: Uint8Array,
  limits: MediaLimits,
): Promise<{ rgb: Uint8Array; width: number; height: number }> {
  const size = bmpSize(head);
  if (!size) throw new Error("the BMP header has no valid size");
  if (size.width * size.height > limits.maxPixels) throw new Error("pixel limit exceeded");
  const binary = ffmpegPath();
  const tool = await file.lend(({ files, path }) =>
    startTool({
      name: "ffmpeg",
      binary,
      files,
      args: ffmpegArguments({
        path,
        input: ["-threads", "1", ...inputOptions("bmp_pipe")],
        output: ["-frames:v", "1", "-pix_fmt", "rgb24", "-c:v", "rawvideo", "-f", "rawvideo"],
      }),
      maxLogBytes: 1024 * 1024,
    }),
  );
  const timer = setTimeout(() => void tool.kill(), limits.stallTimeoutMs);
  try {
    const rgb = new Uint8Array(size.width * size.height * 3);
    let filled = 0;
    for await (const chunk of tool.stdout as AsyncIterable<Buffer>) {
      if (filled + chunk.length > rgb.length) throw new Error("the picture is larger than its header states");
      rgb.set(chunk, filled);
      filled += chunk.length;
    }
    const exit = await tool.exited;
    checkRan("ffmpeg", binary, exit);
    if (exit.code !== 0 || filled < rgb.length) throw new Error(exit.logTail || "ffmpeg wrote no picture");
    return { rgb, ...size };
  } finally {
    clearTimeout(timer);
    await tool.kill();
  }
}
