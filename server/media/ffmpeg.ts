import ffmpeg from "fluent-ffmpeg";
import { maxAllocationBytes } from "./box/limits.js";
import type { Demuxer } from "./sniff.js";

/**
 * Options that select the demuxer for both tools: the one that matches the first bytes of the file. Only local files may
 * be opened, so that a playlist named as a video reaches neither the network nor another demuxer.
 */
export function inputOptions(demuxer: Demuxer): string[] {
  return ["-protocol_whitelist", "file", "-format_whitelist", demuxer, "-f", demuxer];
}

/**
 * Options that bound what a file can make a tool do: which decoders it opens, the size of every picture, and that of a single
 * allocation.
 *
 * @param decoders see `decoderList`
 * @param maxPixels of a picture, also where the size changes inside the video
 */
export function guardOptions({ decoders, maxPixels }: { decoders: string; maxPixels: number }): string[] {
  const maxAllocation = maxAllocationBytes(maxPixels);
  return [
    ...["-codec_whitelist", decoders],
    ...["-max_pixels", String(maxPixels), "-max_alloc", String(maxAllocation)],
  ];
}

/** The size of a picture that a tool refuses because of `-max_pixels`, from a line of its log. */
export function refusedSize(line: string): string | undefined {
  const size = /^(?:\[[^\]]*\] )+Picture size (\d+)x(\d+) exceeds specified max pixel count/.exec(line);
  return size ? `${size[1]}×${size[2]}` : undefined;
}

/** An input URL of which no part is read as an option or as another protocol. `path` is absolute. */
export function inputUrl(path: string): string {
  return `file:${path}`;
}

/** Arguments that make ffmpeg read one file and write to standard output. */
export function ffmpegArguments(options: { path: string; input: string[]; output: string[] }): string[] {
  return ffmpeg()
    .input(inputUrl(options.path))
    .inputOptions(["-nostdin", "-hide_banner", "-nostats", ...options.input])
    .outputOptions(options.output)
    .output("pipe:1")
    ._getArguments();
}
