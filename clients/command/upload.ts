/** `masklet upload`: sends a file or a folder of pictures to a running server. */
import { basename } from "node:path";
import { connect, MaskletError, type UploadFacts } from "../typescript/index.js";
import { CommandError, StoppedError } from "./errors.js";
import { printJson } from "./print-json.js";
import { startProgress } from "./progress.js";
import { DEFAULT_SERVER } from "./shared-options.js";
import { onStopSignal } from "./signals.js";
import { findVideo } from "./track-files.js";
import { parseServer, readKey } from "./track-options.js";
import { openUnfinished } from "./unfinished-uploads.js";
import { openUploadSource } from "./upload-source.js";

export interface UploadArguments {
  server?: string;
  key?: string;
  json?: boolean;
}

const MEGABYTE = 1_000_000;

/**
 * Prints the upload_id on standard output, and everything else on standard error. An upload that was cut off continues where
 * it ended, also in another run of the command with the same path and server.
 *
 * @throws UsageError, CommandError, or StoppedError after a signal.
 */
export async function upload(path: string, { server, key, json }: UploadArguments): Promise<void> {
  const address = server === undefined ? DEFAULT_SERVER : parseServer(server);
  const video = await findVideo(path);
  const source = await openUploadSource(video);
  const unfinished = await openUnfinished(address, video, source.size);
  const interruption = new AbortController();
  const forget = onStopSignal(() => interruption.abort());
  const client = await connect(address, { key: readKey(key) }).catch((cause: Error) => {
    throw new CommandError(`--server: ${cause.message}`, { cause });
  });
  const total = Math.max(1, Math.ceil(source.size / MEGABYTE));
  const progress = startProgress({ label: "sending", total, unit: "MB" });
  try {
    const facts = await client.uploadResumable(source, {
      filename: basename(video.path),
      signal: interruption.signal,
      onProgress: (sentBytes) => progress.set(Math.ceil(sentBytes / MEGABYTE)),
      onAddress: (url) => unfinished.keep(url),
      onRetry(error, delayMs) {
        if (error.retryAfterMs === undefined) return;
        process.stderr.write(`${error.message} Trying again in ${Math.ceil(delayMs / 1000)} s.\n`);
      },
      ...(unfinished.address !== undefined && { address: unfinished.address }),
    });
    unfinished.forget();
    progress.stop();
    process.stderr.write(`${describe(facts)}\n`);
    if (json) printJson(facts);
    else process.stdout.write(`${facts.upload_id}\n`);
  } catch (cause) {
    progress.stop();
    if (interruption.signal.aborted) {
      throw new StoppedError("Stopped; the same command continues the upload.");
    }
    if (!(cause instanceof MaskletError)) throw cause;
    if (!cause.retryable) unfinished.forget();
    throw new CommandError(`${path} cannot be sent: ${cause.message}`, { cause });
  } finally {
    forget();
    await client.detach();
  }
}

/** `dog.mp4: video, 1280x720, 250 frames; left out: notes.txt (text)`. */
function describe({
  filename,
  kind,
  width,
  height,
  num_frames,
  left_out = [],
  left_out_count = 0,
}: UploadFacts): string {
  const facts = `${filename}: ${kind}, ${width}x${height}, ${num_frames} ${num_frames === 1 ? "frame" : "frames"}`;
  if (left_out_count === 0) return facts;
  const names = left_out.slice(0, 3).map(({ name, reason }) => `${name} (${reason})`);
  const more = left_out_count > names.length ? ` and ${left_out_count - names.length} more` : "";
  return `${facts}; left out: ${names.join(", ")}${more}`;
}
