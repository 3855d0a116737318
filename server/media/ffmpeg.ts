import ffmpeg from "fluent-ffmpeg";
import type { Demuxer } from "./sniff.js";

/**
 * Options that select the demuxer for both tools: the one that matches the first bytes of the file. Only local files may
 * be opened, so that a playlist named as a video reaches neither the network nor another demuxer.
 */
export function inputOptions(demuxer: Demuxer): string[] {
  return ["-protocol_whitelist", "file", "-format_whitelist", demuxer, "-f", demuxer];
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
