/** `masklet cvat-upload`: the tracks of a session, or of `masklet track --out`, into a task of CVAT. */
import { createWriteStream } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { REQUEST_PATH, SESSIONS_PATH } from "../../protocol/index.js";
import { type LogSource, openLogSource } from "../../server/exports/log-source.js";
import { type CvatTask, cvatServer } from "./cvat-server.js";
import { tracksOf } from "./cvat-tracks.js";
import { CommandError, StoppedError, UsageError } from "./errors.js";
import { printJson } from "./print-json.js";
import { remoteServer } from "./remote-server.js";
import { onStopSignal } from "./signals.js";

export interface CvatUploadArguments {
  task?: string;
  cvat?: string;
  label?: string;
  server?: string;
  key?: string;
  json?: boolean;
}

const DEFAULT_CVAT = "http://localhost:8080";

/** @throws UsageError, CommandError, StoppedError */
export async function uploadTracks(what: string, given: CvatUploadArguments): Promise<void> {
  const task = readTask(given.task);
  const address = given.cvat ?? DEFAULT_CVAT;
  if (!/^https?:\/\//i.test(address) || !URL.canParse(address))
    throw new UsageError(`--cvat: expected an address such as ${DEFAULT_CVAT}, got "${address}".`);
  const interruption = new AbortController();
  const forget = onStopSignal(() => interruption.abort());
  const folder = await mkdtemp(join(tmpdir(), "masklet-cvat-upload-"));
  let results: Results | undefined;
  try {
    results = await openResults(what, given, folder, interruption.signal);
    const token = process.env.CVAT_ACCESS_TOKEN || undefined;
    const cvat = cvatServer(address, token, interruption.signal);
    const found = await cvat.readTask(task);
    const labelOf = labelsFor(found, results, given.label, task);
    const tracks = await tracksOf(results.source.frames(), found.size, labelOf);
    await cvat.addTracks(task, tracks);
    if (given.json) printJson({ task, tracks: tracks.length });
    else
      process.stderr.write(`${tracks.length} ${tracks.length === 1 ? "track" : "tracks"} in task ${task}.\n`);
  } catch (cause) {
    if (interruption.signal.aborted) throw new StoppedError("Stopped.");
    throw cause;
  } finally {
    await results?.source.close();
    await rm(folder, { recursive: true, force: true });
    forget();
  }
}

function readTask(text = ""): number {
  const task = Number(text);
  if (Number.isSafeInteger(task) && task > 0) return task;
  throw new UsageError(`--task: expected the number of a task, got "${text}".`);
}

interface Results {
  source: LogSource;
  /** Of the video of a session; undefined for a file, which does not contain it. */
  numFrames?: number;
  /** The names of objects: of their concept, or their own. */
  names: ReadonlyMap<number, string>;
}

async function openResults(
  what: string,
  { server, key }: CvatUploadArguments,
  folder: string,
  signal: AbortSignal,
): Promise<Results> {
  const facts = await stat(what).catch(() => undefined);
  if (facts?.isFile()) {
    if (server !== undefined || key !== undefined)
      throw new UsageError(
        `${server === undefined ? "--key" : "--server"}: expected only with a session, not with a file.`,
      );
    const source = await openSource(what);
    return { source, names: new Map(source.objects.map(({ objectId, category }) => [objectId, category])) };
  }
  const remote = remoteServer(server, key);
  const response = await remote.fetch(REQUEST_PATH, {
    ...{ method: "POST", signal },
    body: JSON.stringify({ type: "get_session", session_id: what }),
  });
  const session = (await response.json()) as SessionFacts;
  // The session of a Python client has another mask format.
  const results = `${SESSIONS_PATH}/${encodeURIComponent(what)}/results?mask_format=rle`;
  const stored = await remote.fetch(results, { signal });
  const path = join(folder, "frames.jsonl");
  if (stored.body)
    await pipeline(Readable.fromWeb(stored.body as never), createWriteStream(path), { signal });
  if (session.num_stored_frames === 0)
    throw new CommandError("The session has no stored results: propagate its prompts first.");
  return { source: await openSource(path), numFrames: session.num_frames, names: namesOf(session) };
}

interface SessionFacts {
  num_frames: number;
  num_stored_frames: number;
  objects: { obj_id: number; concept: string | null; name: string | null }[];
  concept_names: { concept: string; name: string | null }[];
}

function openSource(path: string): Promise<LogSource> {
  return openLogSource(path, {}).catch((cause: Error) => {
    throw new CommandError(`${cause.message}.`, { cause });
  });
}

function namesOf({ objects, concept_names }: SessionFacts): Map<number, string> {
  const concepts = new Map(concept_names.map(({ concept, name }) => [concept, name]));
  return new Map(
    objects.flatMap(({ obj_id, concept, name }) => {
      const found = (concept === null ? undefined : (concepts.get(concept) ?? concept)) || name;
      return found ? [[obj_id, found] as const] : [];
    }),
  );
}

/** @throws CommandError when the task is not one of the same video */
function labelsFor(
  { size, width, height, labels }: CvatTask,
  { source, numFrames, names }: Results,
  label: string | undefined,
  task: number,
): (objectId: number) => number {
  const { facts } = source;
  const frames = numFrames ?? facts.numFrames;
  if (numFrames === undefined ? frames > size : frames !== size)
    throw new CommandError(`Task ${task} has ${size} frames, and the results have ${frames}.`);
  if (facts.width !== width || facts.height !== height)
    throw new CommandError(
      `Task ${task} has frames of ${width}x${height} pixels, and the masks have ${facts.width}x${facts.height}.`,
    );
  const [first] = labels.values();
  if (first === undefined) throw new CommandError(`Task ${task} has no labels.`);
  const named = label === undefined ? first : labels.get(label);
  if (named === undefined)
    throw new CommandError(`--label: expected one of ${[...labels.keys()].join(", ")}, got "${label}".`);
  return (objectId) => labels.get(names.get(objectId) ?? "") ?? named;
}
