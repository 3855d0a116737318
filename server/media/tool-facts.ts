/** What builds of ffmpeg and ffprobe are and can do. Each is asked once. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { DECODER_NAMES } from "./codecs.js";
import { cannotStart, type ToolName } from "./tool-errors.js";

export interface ToolFacts {
  /** As the tool prints it, such as `6.1.1` or `N-47683-g0e8eb07980-static`. */
  version: string;
  /** The year of the build's sources; absent when the tool does not print it. */
  year?: number;
  /** The major version of libavutil: 56 in FFmpeg 4, 57 in 5, and so on. */
  libavutil: number;
}

const FACTS_TIMEOUT_MS = 20_000;
const DECODERS_TIMEOUT_MS = 5000;

/** Releases of FFmpeg get fixes of security for about this long. */
const SUPPORTED_YEARS = 3;
/** libavutil of FFmpeg 6. */
const SUPPORTED_LIBAVUTIL = 58;

/**
 * @throws ProtocolError server_overloaded, or a plain error when the tool cannot be run
 */
export const toolFacts = remember(async (binary: string, name: ToolName): Promise<ToolFacts> => {
  try {
    const { stdout } = await promisify(execFile)(binary, ["-version"], { timeout: FACTS_TIMEOUT_MS });
    const version = /^\S+ version (\S{1,100})/.exec(stdout)?.[1] ?? "unknown";
    const year = /Copyright \(c\) (?:\d{4}-)?(\d{4})/.exec(stdout)?.[1];
    const libavutil = Number(/libavutil\s+(\d+)\./.exec(stdout)?.[1] ?? 0);
    return { version, libavutil, ...(year !== undefined && { year: Number(year) }) };
  } catch (cause) {
    throw cannotStart(name, binary, cause);
  }
});

/** True for a build that no longer gets fixes. A maintained build of an old release has a recent year. */
export function isOld({ year, libavutil }: ToolFacts, currentYear: number): boolean {
  return year === undefined ? libavutil < SUPPORTED_LIBAVUTIL : year < currentYear - SUPPORTED_YEARS;
}

/**
 * The options that make ffmpeg write every decoded frame exactly once. Old builds have only `-vsync`, which new ones
 * replace by `-fps_mode`; libavutil 58 is the first major version that certainly has the new name.
 *
 * @throws see {@link toolFacts}
 */
export async function passthroughOptions(binary: string): Promise<string[]> {
  const { libavutil } = await toolFacts(binary, "ffmpeg");
  return libavutil >= 58 ? ["-fps_mode", "passthrough"] : ["-vsync", "0"];
}

/**
 * The value of `-codec_whitelist` for a build: the video decoders of `codecs.ts`, and the build's decoders of sound and
 * subtitles. ffprobe fails for a file that contains a stream without a decoder, and without the properties of the sound both
 * tools search through megabytes of a transport stream.
 */
export async function decoderList(binary: string): Promise<string> {
  return [...DECODER_NAMES, ...(await otherDecoders(binary).catch(() => []))].join(",");
}

const otherDecoders = remember(async (binary: string): Promise<string[]> => {
  const args = ["-hide_banner", "-decoders"];
  const { stdout } = await promisify(execFile)(binary, args, { timeout: DECODERS_TIMEOUT_MS });
  // A line is ` A....D aac   AAC (Advanced Audio Coding)`.
  return [...stdout.matchAll(/^ [AS][A-Z.]{5} ([\w.-]+) /gm)].map(([, name]) => name as string);
});

/** Remembers the result for each binary, and forgets failures. */
function remember<Args extends unknown[], T>(
  ask: (binary: string, ...args: Args) => Promise<T>,
): (binary: string, ...args: Args) => Promise<T> {
  const answers = new Map<string, Promise<T>>();
  return (binary, ...args) => {
    const known = answers.get(binary);
    if (known) return known;
    const answer = ask(binary, ...args);
    answers.set(binary, answer);
    answer.catch(() => answers.delete(binary));
    return answer;
  };
}
