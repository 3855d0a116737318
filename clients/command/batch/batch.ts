/** `masklet batch`: phrases through all videos and pictures of a folder, into one file. */
import { realpath, stat } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { MaskletError } from "../../typescript/index.js";
import { pause, pauseBefore } from "../../typescript/retry.js";
import { CommandError, NothingFoundError, PartlyError, StoppedError, UsageError } from "../errors.js";
import { printJson } from "../print-json.js";
import { startProgress } from "../progress.js";
import { onStopSignal } from "../signals.js";
import { connectTo, openPrivateServer } from "../track-session.js";
import { type BatchInput, type Inputs, kindOf, listInputs } from "./inputs.js";
import { type BatchArguments, type BatchJob, readBatchJob } from "./job.js";
import { type Totals, writeOutput } from "./output.js";
import { readDone } from "./results.js";
import { type BatchState, openState } from "./state.js";
import { isOfInput, trackInput } from "./track-input.js";

interface Failure {
  path: string;
  reason: string;
}

/**
 * Tracks what is not done yet, and writes the file of all inputs that are done.
 * @throws UsageError, CommandError; PartlyError when some inputs failed; NothingFoundError; StoppedError after a signal
 */
export async function batch(folderArgument: string, given: BatchArguments): Promise<void> {
  const job = readBatchJob(given);
  const folder = await findFolder(folderArgument);
  const out = resolve(job.out ?? `${basename(folder)}.${job.format.id}.json`);
  await checkOut(out);
  const stateFolder = `${out}.parts`;
  const found = await listInputs(folder, { ...job, except: stateFolder });
  if (job.isDryRun) {
    await listDryRun(found, stateFolder, job.isJson);
    return;
  }
  if (found.inputs.length === 0) {
    const advice = job.isRecursive ? "" : "; --recursive looks into its folders";
    throw new UsageError(`FOLDER: ${folderArgument} contains no video and no picture${advice}.`);
  }
  const state = await openState(stateFolder, job.phrases);
  const interruption = new AbortController();
  const forget = onStopSignal(() => interruption.abort());
  try {
    const { tracked, failures } = await trackAll(found, folder, job, state, interruption.signal);
    const totals = await writeOutput(found.inputs, out, job, state);
    report({ found, out, tracked, failures, totals }, job);
  } catch (cause) {
    if (interruption.signal.aborted) {
      throw new StoppedError("Stopped; the same command continues the batch.", { cause });
    }
    throw cause;
  } finally {
    forget();
    await state.close();
  }
}

async function findFolder(path: string): Promise<string> {
  const folder = await realpath(path).catch(() => undefined);
  const facts = folder === undefined ? undefined : await stat(folder);
  if (folder === undefined || !facts?.isDirectory()) {
    throw new UsageError(
      `FOLDER: expected a folder, got "${path}"${facts ? ", a file" : ", which does not exist"}.`,
    );
  }
  return folder;
}

async function checkOut(out: string): Promise<void> {
  const folder = await stat(dirname(out)).catch(() => undefined);
  if (!folder?.isDirectory()) throw new UsageError(`--out: there is no folder "${dirname(out)}".`);
  const file = await stat(out).catch(() => undefined);
  if (file?.isDirectory()) throw new UsageError(`--out: expected a file, "${out}" is a folder.`);
  const media = file && (await kindOf(out, basename(out)));
  if (media) throw new UsageError(`--out: expected a file that may be replaced, "${out}" is a ${media}.`);
}

async function listDryRun({ inputs, leftOut }: Inputs, stateFolder: string, isJson: boolean): Promise<void> {
  const listed = [];
  for (const input of inputs) {
    const { path, kind, bytes } = input;
    listed.push({ path, kind, bytes, done: (await readDone(stateFolder, input)) !== undefined });
  }
  if (isJson) {
    printJson({ inputs: listed, left_out: leftOut });
    return;
  }
  for (const { path, kind, bytes, done } of listed) {
    const size = `${(bytes / 1e6).toFixed(1)} MB`.padStart(11);
    process.stdout.write(`${kind.padEnd(7)} ${size}  ${done ? "done" : "    "}  ${path}\n`);
  }
  const numDone = listed.filter(({ done }) => done).length;
  const others = leftOut > 0 ? `; ${leftOut} other files are left out` : "";
  process.stderr.write(`${inputs.length} clips and pictures, ${numDone} of them done${others}\n`);
}

async function trackAll(
  { inputs }: Inputs,
  folder: string,
  job: BatchJob,
  state: BatchState,
  signal: AbortSignal,
): Promise<{ tracked: number; failures: Failure[] }> {
  const open: BatchInput[] = [];
  for (const input of inputs) if (!(await readDone(state.folder, input))) open.push(input);
  if (open.length < inputs.length) {
    process.stderr.write(
      `${inputs.length - open.length} of ${inputs.length} files are done from an earlier run\n`,
    );
  }
  const failures: Failure[] = [];
  if (open.length === 0) return { tracked: 0, failures };
  const { client, close } = await openServer(folder, job);
  const progress = startProgress({ label: "tracking", total: open.length, unit: "files" });
  try {
    for (const [at, input] of open.entries()) {
      const parts = {
        ...{ client, folder, signal, phrases: job.phrases, stateFolder: state.folder },
        isPrivate: job.server === undefined,
        requirePack: state.requirePack,
        onFrame: (share: number) => progress.set(at + share),
      };
      try {
        await again(() => trackInput(input, parts), signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!isOfInput(error)) throw error;
        failures.push({ path: input.path, reason: error.message });
      }
      progress.set(at + 1);
    }
  } catch (error) {
    if (!(error instanceof MaskletError) || signal.aborted) throw error;
    throw new CommandError(`${error.message} The same command continues the batch.`, { cause: error });
  } finally {
    progress.stop();
    await close();
  }
  return { tracked: open.length - failures.length, failures };
}

async function openServer(folder: string, { server }: BatchJob) {
  if (!server) return openPrivateServer(folder);
  const client = await connectTo(server);
  return { client, close: () => client.close() };
}

const ATTEMPTS = 5;
const LEAST_PAUSE_MS = 1000;

/** Repeats what a busy server refuses, and what ended with its inference process. */
async function again<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let left = ATTEMPTS; ; left--) {
    try {
      return await attempt();
    } catch (error) {
      if (!isOfInput(error) || left === 1 || !(error.retryable || error.code === "engine_restarted"))
        throw error;
      await pause(pauseBefore(error, LEAST_PAUSE_MS), signal);
    }
  }
}

interface Outcome {
  found: Inputs;
  out: string;
  tracked: number;
  failures: readonly Failure[];
  totals: Totals;
}

function report(
  { found: { inputs, leftOut }, out, tracked, failures, totals }: Outcome,
  job: BatchJob,
): void {
  const { done, objects, frames, masks } = totals;
  if (job.isJson) {
    printJson({
      out: done > 0 ? out : null,
      format: job.format.id,
      files: { total: inputs.length, tracked, done_before: done - tracked, failed: failures.length },
      ...{ frames, objects, masks, left_out: leftOut, failed: failures },
    });
  } else if (done > 0) {
    process.stderr.write(
      `${done} of ${inputs.length} files: ${objects} objects on ${frames} frames, in ${out}\n`,
    );
  }
  for (const { path, reason } of failures) process.stderr.write(`failed: ${path}: ${reason}\n`);
  if (done === 0) throw new CommandError(`All ${inputs.length} files failed.`);
  if (failures.length > 0) {
    throw new PartlyError(
      `${failures.length} of ${inputs.length} files failed; the same command tries them again.`,
    );
  }
  if (objects === 0) {
    const phrases = job.phrases.map((phrase) => `"${phrase}"`).join(", ");
    throw new NothingFoundError(`No object of ${phrases} on any of ${frames} frames.`);
  }
}
