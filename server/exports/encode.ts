/** Encodes pictures with ffmpeg, in its box, from pipe to pipe. */
import { once } from "node:events";
import { ffmpegPath } from "../media/binaries.js";
import { decoderLimits } from "../media/box/limits.js";
import { TIMED_INPUT, timedOutput } from "../media/timed-pictures.js";
import { passthroughOptions } from "../media/tool-facts.js";
import { checkRan, startTool, type ToolProcess } from "../media/tool-process.js";
import type { VideoEncoding } from "./format.js";

/** An encoder keeps about as many pictures as a decoder of a few times the size: references and those that it looks ahead. */
const KEPT_PICTURES = 4;

const GIF_WIDTH_PX = 480;

/**
 * The bytes of the encoded file. Memory is bounded: pictures are read when ffmpeg can take them, and it waits for the reader.
 * @param pictures in the form of `media/timed-pictures.ts`
 */
export async function* encodeVideo(
  pictures: AsyncIterable<Uint8Array>,
  encoding: VideoEncoding,
): AsyncGenerator<Uint8Array> {
  const binary = ffmpegPath();
  const args = encoderArguments(encoding, await passthroughOptions(binary));
  const pixels = encoding.width * encoding.height;
  // Without `cpuS`: the length of a video is not limited, and the process ends with its reader.
  const { memoryBytes } = decoderLimits({
    maxPicturePixels: KEPT_PICTURES * pixels,
    outputPixels: pixels,
    pictures: 1,
  });
  const tool = await startTool({
    ...{ name: "ffmpeg", binary, args, input: true, priority: "low" },
    limits: { memoryBytes },
  });
  const feeding = feed(tool, pictures);
  // Reported below, once ffmpeg has ended.
  feeding.catch(() => {});
  try {
    try {
      for await (const chunk of tool.stdout) yield chunk as Uint8Array;
    } catch (error) {
      // The error of the pictures, which ended ffmpeg, comes first.
      await feeding;
      throw error;
    }
    await feeding;
    const exit = await tool.exited;
    checkRan("ffmpeg", binary, exit);
    if (exit.code !== 0) throw new Error(`ffmpeg cannot encode a video: ${exit.logTail}`);
  } finally {
    await tool.kill();
  }
}

async function feed(
  { stdin, exited, kill }: ToolProcess,
  pictures: AsyncIterable<Uint8Array>,
): Promise<void> {
  if (!stdin) throw new Error("ffmpeg has no standard input");
  const ended = exited.then(() => {});
  try {
    for await (const chunk of pictures) {
      if (stdin.destroyed || stdin.writableEnded) return;
      if (!stdin.write(chunk)) await Promise.race([once(stdin, "drain"), ended]);
    }
    stdin.end();
  } catch (error) {
    // Without its input ffmpeg would write a shorter video.
    await kill();
    throw error;
  }
}

function encoderArguments({ container, channels }: VideoEncoding, passthrough: readonly string[]): string[] {
  const input = ["-hide_banner", "-nostats", ...TIMED_INPUT, "-i", "pipe:0"];
  const timed = timedOutput(passthrough);
  return [...input, "-an", ...CONTAINERS[container](channels === 4, timed), "-y", "pipe:1"];
}

/** yuv420p needs even sizes: an odd width or height grows by a black pixel. */
const EVEN = "pad=ceil(iw/2)*2:ceil(ih/2)*2";
const BT709 = "scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd+full_chroma_int";
const BT709_TAGS = ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"];

const CONTAINERS: Record<VideoEncoding["container"], (hasAlpha: boolean, timed: string[]) => string[]> = {
  // A pipe cannot be rewound, so the file consists of fragments.
  mp4: (_hasAlpha, timed) => [
    ...["-vf", `${EVEN},${BT709},format=yuv420p`, "-c:v", "libx264", "-preset", "veryfast", "-crf", "16"],
    ...[...BT709_TAGS, ...timed, "-movflags", "+frag_keyframe+empty_moov+default_base_moof", "-f", "mp4"],
  ],
  webm: (hasAlpha, timed) => [
    ...["-vf", `${EVEN},${BT709},format=${hasAlpha ? "yuva420p" : "yuv420p"}`],
    ...["-c:v", "libvpx-vp9", "-b:v", "0", "-crf", "24", "-deadline", "realtime", "-cpu-used", "7"],
    ...["-auto-alt-ref", "0", "-threads", "2", ...BT709_TAGS, ...timed, "-f", "webm"],
  ],
  gif: (_hasAlpha, timed) => [
    "-filter_complex",
    // A palette for each picture: one for all of them needs the whole video in memory.
    `scale='min(${GIF_WIDTH_PX},iw)':-1:flags=area,split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=new=1`,
    ...[...timed, "-f", "gif"],
  ],
};

/** Reads a file of an export: its content, or the video that ffmpeg encodes from it. */
export function readExportFile(file: {
  content(): AsyncIterable<Uint8Array>;
  encoding?: VideoEncoding;
}): AsyncIterable<Uint8Array> {
  return file.encoding ? encodeVideo(file.content(), file.encoding) : file.content();
}
