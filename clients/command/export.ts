/** `masklet export`: the results of a session, or of `masklet track --out`, in the format of another tool. */
import { createWriteStream } from "node:fs";
import { rm, stat } from "node:fs/promises";
import { basename } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { SESSIONS_PATH } from "../../protocol/index.js";
import { readExportFile } from "../../server/exports/encode.js";
import { type LogSource, openLogSource } from "../../server/exports/log-source.js";
import { type PackedExport, packExport } from "../../server/exports/pack.js";
import { type ExportPlan, planExport } from "../../server/exports/plan.js";
import { CommandError, StoppedError, UsageError } from "./errors.js";
import { parseFormatOptions } from "./format-options.js";
import { openVideo, type Video } from "./media.js";
import { printJson } from "./print-json.js";
import { type RemoteServer, remoteServer } from "./remote-server.js";
import { onStopSignal } from "./signals.js";
import { findVideo } from "./track-files.js";

export interface ExportArguments {
  format?: string;
  out?: string;
  objects?: string;
  frames?: string;
  /** `NAME=VALUE`, options of the format. */
  option?: string[];
  video?: string;
  server?: string;
  key?: string;
  json?: boolean;
}

/** @throws UsageError, CommandError, or StoppedError after a signal; then an unfinished file is removed. */
export async function exportResults(what: string, given: ExportArguments): Promise<void> {
  const plan = readPlan(given);
  if (given.json && given.out === "-") {
    throw new UsageError("--json: expected --out FILE, because the export goes to standard output.");
  }
  const facts = await stat(what).catch(() => undefined);
  const interruption = new AbortController();
  const forget = onStopSignal(() => interruption.abort());
  try {
    const write = facts?.isFile() ? exportFile : exportSession;
    const path = await write(what, plan, given, interruption.signal);
    if (path === undefined) return;
    if (given.json) printJson({ format: plan.format.id, path, bytes: (await stat(path)).size });
    else process.stderr.write(`${path}\n`);
  } catch (cause) {
    if (interruption.signal.aborted) throw new StoppedError("Stopped; the unfinished file is removed.");
    throw cause;
  } finally {
    forget();
  }
}

interface CommandPlan extends ExportPlan {
  query: Record<string, string>;
}

function readPlan({ format, objects, frames, option = [] }: ExportArguments): CommandPlan {
  if (format === undefined)
    throw new UsageError("--format: expected a format, such as coco; see docs/exports.md.");
  const query = {
    ...parseFormatOptions(option),
    ...(objects !== undefined && { objects }),
    ...(frames !== undefined && { frames }),
  };
  try {
    return { ...planExport(format, query), query };
  } catch (cause) {
    throw new UsageError(`${(cause as Error).message}.`, { cause });
  }
}

async function exportFile(
  path: string,
  { format, options, selection }: CommandPlan,
  { video, out, server, key }: ExportArguments,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (server !== undefined || key !== undefined) {
    throw new UsageError(
      `${server === undefined ? "--key" : "--server"}: expected only with a session, not with a file.`,
    );
  }
  if (format.needsPictures && video === undefined) {
    throw new UsageError(`--video: expected the video of the frames, which the format ${format.id} needs.`);
  }
  const opened = video === undefined ? undefined : await openVideoFile(video, signal);
  let source: LogSource | undefined;
  try {
    source = await openLogSource(path, selection, opened).catch((cause: Error) => {
      throw new CommandError(`${cause.message}.`, { cause });
    });
    const files = format.files(source, options)[Symbol.asyncIterator]();
    const packed = await packExport(format, source.facts.name, files, readExportFile);
    return await save(packed, out, signal);
  } finally {
    await source?.close();
    await opened?.source.close();
  }
}

async function openVideoFile(
  video: string,
  signal: AbortSignal,
): Promise<{ fileName: string; source: Video }> {
  const found = await findVideo(video);
  const source = await openVideo(found, signal).catch((cause: Error) => {
    throw new CommandError(`--video: ${cause.message}`, { cause });
  });
  return { fileName: basename(found.path), source };
}

async function exportSession(
  sessionId: string,
  { format, query }: CommandPlan,
  { video, out, server, key }: ExportArguments,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (video !== undefined) throw new UsageError("--video: expected only with a file of frames.");
  const remote: RemoteServer = remoteServer(server, key);
  const path = `${SESSIONS_PATH}/${encodeURIComponent(sessionId)}/export/${format.id}`;
  const response = await remote.fetch(`${path}?${new URLSearchParams(query)}`, { signal });
  if (!response.body) throw new CommandError("The server sent no file.");
  const named = /filename\*=UTF-8''([^;]+)/.exec(response.headers.get("content-disposition") ?? "")?.[1];
  const fileName = basename(decodeURIComponent(named ?? `${sessionId}.${format.id}`));
  return save({ fileName, contentType: "", body: response.body as AsyncIterable<Uint8Array> }, out, signal);
}

/**
 * Writes to `out`, `-` for standard output, or to the name of the export in the working directory.
 * @returns the path; undefined for standard output
 */
async function save(
  { fileName, body }: PackedExport,
  out: string | undefined,
  signal: AbortSignal,
): Promise<string | undefined> {
  const content = Readable.from(body, { objectMode: false });
  if (out === "-") {
    await pipeline(content, process.stdout, { signal, end: false });
    return undefined;
  }
  const path = out ?? fileName;
  // A file of that name that the user did not name is not replaced.
  const file = createWriteStream(path, { flags: out === undefined ? "wx" : "w" });
  try {
    await pipeline(content, file, { signal });
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === "EEXIST") throw new CommandError(`${path} exists; choose a name with --out.`, { cause });
    await rm(path, { force: true });
    throw new CommandError(`${path} cannot be written: ${message}.`, { cause });
  }
  return path;
}
