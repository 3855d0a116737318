import { MEDIA_LIMITS } from "../../protocol/limits.js";
import { ffprobePath } from "./binaries.js";
import { probeLimits } from "./box/limits.js";
import { mediaUnreadable, mediaUnsupported } from "./errors.js";
import { guardOptions, inputOptions, inputUrl, refusedSize } from "./ffmpeg.js";
import { demuxerEnvironment } from "./gconv.js";
import { createLineSplitter, MAX_LINE_CHARS } from "./lines.js";
import type { MediaFile } from "./media-file.js";
import type { Demuxer } from "./sniff.js";
import { decoderList } from "./tool-facts.js";
import { checkRan, startTool } from "./tool-process.js";

const MAX_PIXELS = MEDIA_LIMITS.maxPixels.value;

export interface ProbeRequest {
  file: MediaFile;
  demuxer: Demuxer;
  /** How long ffprobe may produce no output. */
  stallTimeoutMs: number;
  signal?: AbortSignal;
}

export interface ProbeQuery {
  /** Options of ffprobe. Queries name the entries they need: text from the file, such as its tags, has no limit. */
  options: string[];
  /** Bytes of output after which the file is refused. */
  maxBytes: number;
  /** Receives each line. An exception from it ends the run and rejects it. */
  onLine: (line: string) => void;
}

/**
 * Time for one run: a fixed part, and the time to read the file at a low rate, as from a network drive. A file whose index
 * refers to the same bytes again and again produces output all the time, and takes longer.
 */
const BASE_TIME_MS = 60_000;
const MIN_BYTES_PER_MS = 1000;

/**
 * Runs ffprobe and passes on its output line by line, so that a million packets never exist as one string.
 *
 * Throws `media_unreadable` when ffprobe rejects the file, makes no progress or takes too long for the size of the file,
 * `media_unsupported` when its output exceeds
 * `maxBytes` or contains a line of more than `MAX_LINE_CHARS`, and the errors of {@link startTool}.
 */
export async function ffprobeLines(request: ProbeRequest, query: ProbeQuery): Promise<void> {
  const { signal } = request;
  signal?.throwIfAborted();
  const binary = ffprobePath();
  const maxMs = BASE_TIME_MS + Math.ceil((await request.file.size()) / MIN_BYTES_PER_MS);
  const decoders = await decoderList(binary);
  signal?.throwIfAborted();
  let refused: string | undefined;
  const run = await request.file.lend(({ files, path }) =>
    startTool({
      name: "ffprobe",
      binary,
      files,
      env: demuxerEnvironment(request.demuxer),
      args: [
        ...["-hide_banner", "-v", "error"],
        ...guardOptions({ decoders, maxPixels: MAX_PIXELS }),
        ...inputOptions(request.demuxer),
        ...query.options,
        inputUrl(path),
      ],
      limits: probeLimits(MAX_PIXELS),
      onLogLine(line) {
        refused ??= refusedSize(line);
      },
    }),
  );

  let stalled = false;
  let isOverdue = false;
  let killed = false;
  const kill = () => {
    killed = true;
    void run.kill();
  };
  const timer = setTimeout(() => {
    stalled = true;
    kill();
  }, request.stallTimeoutMs);
  const overdueTimer = setTimeout(() => {
    isOverdue = true;
    kill();
  }, maxMs);
  signal?.addEventListener("abort", kill, { once: true });
  if (signal?.aborted) kill();

  let bytes = 0;
  const splitter = createLineSplitter((line, isCut) => {
    if (isCut) throw headerTooLarge(`a line of more than ${MAX_LINE_CHARS} characters`);
    query.onLine(line);
  });
  try {
    try {
      for await (const chunk of run.stdout as AsyncIterable<Buffer>) {
        timer.refresh();
        bytes += chunk.length;
        if (bytes > query.maxBytes) throw headerTooLarge(`more than ${query.maxBytes} bytes`);
        splitter.push(chunk);
      }
      splitter.end();
    } catch (error) {
      // Killing ffprobe breaks its pipe. The reason for the kill is thrown below.
      if (!killed) throw error;
    }
    const exit = await run.exited;
    signal?.throwIfAborted();
    if (stalled) {
      throw mediaUnreadable(`Reading the video's index made no progress for ${request.stallTimeoutMs} ms.`);
    }
    if (isOverdue) {
      throw mediaUnreadable(
        `Reading the video's index takes longer than ${maxMs} ms, the limit for its size.`,
      );
    }
    checkRan("ffprobe", binary, exit);
    if (refused) {
      throw mediaUnsupported(`The video is ${refused}; the limit is ${MAX_PIXELS} pixels per frame.`);
    }
    const codec = /Codec \((\S+)\) not on whitelist/.exec(exit.logTail)?.[1];
    if (exit.code !== 0 && codec !== undefined) {
      throw mediaUnsupported(`The codec "${codec}" is not supported.`);
    }
    if (exit.code !== 0) {
      throw mediaUnreadable(`The video cannot be read${reasonIn(exit.logTail)}.`, new Error(exit.logTail));
    }
  } finally {
    clearTimeout(timer);
    clearTimeout(overdueTimer);
    signal?.removeEventListener("abort", kill);
    await run.kill();
  }
}

function headerTooLarge(what: string): Error {
  return mediaUnsupported(`The video's header or index is too large: ffprobe reports it in ${what}.`);
}

/** Describes the errors of ffprobe that a user can act on. Others are only in the log. */
function reasonIn(log: string): string {
  if (log.includes("moov atom not found"))
    return ": its index (the moov atom) is missing, as in a file that was cut short";
  if (log.includes("Permission denied")) return ": permission denied";
  if (log.includes("Invalid data found")) return ": its content is damaged";
  return "";
}
