/** `masklet import`: annotations of another tool as prompts or locked frames of a session. */
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { SESSIONS_PATH } from "../../protocol/index.js";
import { connect } from "../typescript/index.js";
import { CommandError, UsageError } from "./errors.js";
import { printJson } from "./print-json.js";
import { remoteServer } from "./remote-server.js";
import { findVideo } from "./track-files.js";
import { readKey } from "./track-options.js";
import { openUploadSource } from "./upload-source.js";

export interface ImportArguments {
  session?: string;
  video?: string;
  format?: string;
  as?: string;
  server?: string;
  key?: string;
  json?: boolean;
}

interface ImportReport {
  imported: { masks: number; boxes: number; frames: number };
  objects: readonly unknown[];
  skipped: readonly { reason: string; count: number; example: string }[];
  warnings: readonly string[];
}

/**
 * Prints the id of the session on standard output, and what was imported on standard error.
 * @throws UsageError, CommandError
 */
export async function importAnnotations(file: string, given: ImportArguments): Promise<void> {
  const { session, video, format = "", as = "prompts", server, key, json } = given;
  if ((session === undefined) === (video === undefined)) {
    throw new UsageError("--session or --video: expected one of them.");
  }
  if (as !== "prompts" && as !== "locked") {
    throw new UsageError(`--as: expected prompts or locked, got "${as}".`);
  }
  const content = await readFile(file).catch((cause: Error) => {
    throw new UsageError(`FILE: "${file}" cannot be read: ${cause.message}.`, { cause });
  });
  const remote = remoteServer(server, key);
  const id = session ?? (await startSession(video as string, remote.address, key));
  const query = new URLSearchParams({ format, as });
  const path = `${SESSIONS_PATH}/${encodeURIComponent(id)}/import?${query}`;
  const response = await remote.fetch(path, { method: "POST", body: content });
  const report = (await response.json()) as ImportReport;
  if (json) {
    printJson({ session_id: id, ...report });
    return;
  }
  const { imported, objects, skipped, warnings } = report;
  const { masks, boxes, frames } = imported;
  const outcome = as === "locked" ? "are locked" : "are prompts";
  process.stderr.write(
    `${countOf(masks, "mask")} and ${countOf(boxes, "box", "boxes")} on ${countOf(frames, "frame")}, of ${countOf(objects.length, "object")}, ${outcome}.\n`,
  );
  for (const { reason, count, example } of skipped) {
    process.stderr.write(`Left out: ${count}, because ${reason} (${example}).\n`);
  }
  for (const warning of warnings) process.stderr.write(`Warning: ${warning}.\n`);
  process.stdout.write(`${id}\n`);
}

const countOf = (count: number, one: string, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

/** Uploads the video and starts a session, which stays open until it is idle for the time of the server. */
async function startSession(path: string, address: string, key: string | undefined): Promise<string> {
  const video = await findVideo(path);
  const client = await connect(address, { key: readKey(key) }).catch((cause: Error) => {
    throw new CommandError(`--server: ${cause.message}`, { cause });
  });
  try {
    const source = await openUploadSource(video);
    const { upload_id } = await client.uploadResumable(source, { filename: basename(video.path) });
    const session = await client.startSession({ upload_id });
    return session.facts.session_id;
  } catch (cause) {
    throw new CommandError(`--video: ${(cause as Error).message}`, { cause });
  } finally {
    // The session stays open.
    await client.detach();
  }
}
