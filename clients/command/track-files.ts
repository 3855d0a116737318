/** The files of a job: the video must exist, and the results must not replace it or each other. */
import { mkdtemp, realpath, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import type { FrameMessage } from "../typescript/index.js";
import { CommandError, UsageError } from "./errors.js";
import { type FrameLog, openFrameLog } from "./frame-log.js";
import type { TrackJob } from "./track-options.js";

export interface VideoPath {
  /** Absolute, links resolved. */
  path: string;
  /** A folder of pictures. */
  isFolder: boolean;
}

/** @throws UsageError when there is no such file, or it is neither a file nor a folder, such as a pipe or a device. */
export async function findVideo(video: string): Promise<VideoPath> {
  const path = await realpath(video).catch(() => undefined);
  if (path === undefined) throw new UsageError(`VIDEO: expected a file or a folder, there is no "${video}".`);
  const facts = await stat(path);
  if (!facts.isFile() && !facts.isDirectory()) {
    throw new UsageError(`VIDEO: expected a file or a folder, "${video}" is a pipe or a device.`);
  }
  return { path, isFolder: facts.isDirectory() };
}

/** @throws UsageError when the folder of a result is missing, or a result would replace the video or another result. */
export async function checkResults({ out, render }: TrackJob, video: VideoPath): Promise<void> {
  const results = [
    { option: "--out", path: out === "-" ? undefined : out },
    { option: "--render", path: render },
  ];
  const taken = new Map([[video.path, "the video itself"]]);
  for (const { option, path } of results) {
    if (path === undefined) continue;
    const folder = await realpath(dirname(path)).catch(() => undefined);
    if (folder === undefined) throw new UsageError(`${option}: there is no folder "${dirname(path)}".`);
    const facts = await stat(path).catch(() => undefined);
    if (facts?.isDirectory()) throw new UsageError(`${option}: expected a file, "${path}" is a folder.`);
    const real = facts ? await realpath(path) : join(folder, basename(path));
    const owner = taken.get(real);
    if (owner) throw new UsageError(`${option}: "${path}" is ${owner}.`);
    taken.set(real, `the file of ${option} already`);
  }
}

/** The destination of frames. */
export interface FrameSink {
  append(frame: FrameMessage): Promise<void>;
  /** For access by frame index; present when the frames are also in a file. */
  readonly log: FrameLog | undefined;
  close(): Promise<void>;
}

/** Writes to standard output when the job names no file. */
export async function openFrameSink({ out, render }: TrackJob): Promise<FrameSink> {
  const toStdout = out === "-" || (out === undefined && render === undefined);
  const outFile = out === "-" ? undefined : out;
  const scratch =
    outFile === undefined && render !== undefined ? await mkdtemp(join(tmpdir(), "masklet-")) : undefined;
  const path = outFile ?? (scratch && join(scratch, "frames.jsonl"));
  // The failing write reports the error. Without a listener the event would end the process.
  if (toStdout) process.stdout.on("error", ignore);
  const log = path === undefined ? undefined : await openFrameLog(path).catch(cannotWrite(path));
  return {
    async append(frame) {
      if (toStdout) await writeToStdout(`${JSON.stringify(frame)}\n`);
      if (path !== undefined) await log?.append(frame).catch(cannotWrite(path));
    },
    log,
    async close() {
      process.stdout.off("error", ignore);
      await log?.close();
      if (scratch !== undefined) await rm(scratch, { recursive: true, force: true });
    },
  };
}

function ignore(): void {}

function cannotWrite(path: string): (cause: Error) => never {
  return (cause) => {
    throw new CommandError(`${path} cannot be written: ${cause.message}.`, { cause });
  };
}

function writeToStdout(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (cause) => {
      if (cause) reject(new CommandError(`Standard output cannot be written: ${cause.message}.`, { cause }));
      else resolve();
    });
  });
}
