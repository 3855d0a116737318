import type { ChildProcess } from "node:child_process";
import { PassThrough, type Readable } from "node:stream";
import ffmpeg from "fluent-ffmpeg";
import { ffmpegPath } from "./binaries.js";
import type { Demuxer } from "./sniff.js";

export interface FfmpegExit {
  /** Null when a signal ended it. */
  code: number | null;
  /** Its last words, for the log: they may hold server paths. */
  stderrTail: string;
}

export interface FfmpegRun {
  /** ffmpeg's standard output. Not reading it stops ffmpeg once the pipe is full. */
  stdout: Readable;
  /** Resolves once the process has been reaped; rejects if it could not be started. */
  exited: Promise<FfmpegExit>;
  /** Ends the process at once, waits until it has been reaped. May be called at any time, any number of times. */
  kill(): Promise<void>;
}

/**
 * How both tools are told what a file is: the demuxer is forced to the one its first bytes ask for, and nothing but
 * local files may be opened, so that a playlist inside a "video" reaches neither the network nor other formats.
 */
export function inputOptions(demuxer: Demuxer): string[] {
  return ["-protocol_whitelist", "file", "-format_whitelist", demuxer, "-f", demuxer];
}

/** An input no part of which can be read as an option or as another protocol. `path` is absolute. */
export function inputUrl(path: string): string {
  return `file:${path}`;
}

/** Runs ffmpeg on one file, writing to standard output. `onLine` gets each line of its log. */
export function runFfmpeg(options: {
  path: string;
  input: string[];
  output: string[];
  onLine: (line: string) => void;
}): FfmpegRun {
  // fluent-ffmpeg ends a process that outlives its output's `close` by 20 ms, so that event is not sent. What became of
  // the process is asked of the process.
  const stdout = new PassThrough({ emitClose: false, highWaterMark: 256 * 1024 });
  const command = ffmpeg().setFfmpegPath(ffmpegPath());
  command
    .input(inputUrl(options.path))
    .inputOptions(["-nostdin", "-hide_banner", "-nostats", ...options.input])
    .outputOptions(options.output);

  const log: string[] = [];
  command.on("stderr", (line: string) => {
    if (log.push(line) > LOG_LINES) log.shift();
    options.onLine(line);
  });

  let killed = false;
  let child: ChildProcess | undefined;
  const exited = new Promise<FfmpegExit>((resolve, reject) => {
    command.on("start", () => {
      child = (command as unknown as { ffmpegProc: ChildProcess }).ffmpegProc;
      // fluent-ffmpeg's own listener would throw where nobody can catch it.
      child.removeAllListeners("error").once("error", (cause) => reject(startFailure(cause)));
      // `close` comes after `exit`, when the whole log has been read.
      child.once("close", (code) => resolve({ code, stderrTail: log.join("\n") }));
      if (killed) end(child);
    });
    command.on("error", (cause: Error) => {
      if (!child) reject(startFailure(cause));
    });
  });
  exited.catch((error) => stdout.destroy(error));
  stdout.on("error", () => {}); // the reader learns of it; without this it would also be thrown
  command.pipe(stdout, { end: true });

  return {
    stdout,
    exited,
    async kill() {
      if (!killed) {
        killed = true;
        if (child) end(child);
        stdout.destroy(new Error("ffmpeg was ended"));
      }
      await exited.catch(() => {});
    },
  };
}

const LOG_LINES = 20;

function startFailure(cause: Error): Error {
  return new Error("ffmpeg could not be started", { cause });
}

function end(child: ChildProcess): void {
  child.kill("SIGKILL");
  // A paused pipe would never see its end, and would stay open.
  child.stdout?.destroy();
}
