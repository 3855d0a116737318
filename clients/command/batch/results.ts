/** The results of one input on disk: its frames, and its facts, whose file exists only when the frames are complete. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readFile, rename, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import type { ExportFacts, ExportFrame, ExportObject, ExportSource } from "../../../server/exports/source.js";
import type { BatchInput } from "./inputs.js";

export interface DoneInput {
  fingerprint: string;
  facts: ExportFacts;
  objects: ExportObject[];
  numMasks: number;
  /** Names of the pictures of a clip of pictures, in the order of its frames. */
  frameFiles?: string[];
  /** Of the file of frames. */
  bytes: number;
}

interface Paths {
  facts: string;
  frames: string;
}

/** Names do not depend on the characters of the path; 256 folders keep each of them small. */
function pathsOf(folder: string, input: Pick<BatchInput, "path">): Paths {
  const name = createHash("sha256").update(input.path).digest("hex").slice(0, 32);
  const stem = join(folder, name.slice(0, 2), name);
  return { facts: `${stem}.json`, frames: `${stem}.ndjson` };
}

/** Undefined when the input is not done, or has changed since. */
export async function readDone(folder: string, input: BatchInput): Promise<DoneInput | undefined> {
  const paths = pathsOf(folder, input);
  try {
    const done = JSON.parse(await readFile(paths.facts, "utf8")) as DoneInput;
    const { size } = await stat(paths.frames);
    return done.fingerprint === input.fingerprint && done.bytes === size ? done : undefined;
  } catch {
    return undefined;
  }
}

export interface ResultsWriter {
  append(frame: ExportFrame): Promise<void>;
  /** From now on `readDone` returns the facts, also after the process is killed. */
  finish(done: Omit<DoneInput, "bytes" | "fingerprint" | "numMasks">): Promise<void>;
  /** Closes the file; unfinished results count for nothing. */
  close(): Promise<void>;
}

export async function openResults(folder: string, input: BatchInput): Promise<ResultsWriter> {
  const paths = pathsOf(folder, input);
  await mkdir(dirname(paths.frames), { recursive: true });
  const file = await open(paths.frames, "w");
  let [bytes, numMasks] = [0, 0];
  return {
    async append(frame) {
      const line = Buffer.from(`${JSON.stringify(frame)}\n`);
      await file.writeFile(line);
      bytes += line.length;
      numMasks += frame.masks.length;
    },
    async finish(facts) {
      await file.sync();
      const done: DoneInput = { fingerprint: input.fingerprint, ...facts, numMasks, bytes };
      await writeFile(`${paths.facts}.new`, JSON.stringify(done), { flush: true });
      await rename(`${paths.facts}.new`, paths.facts);
    },
    close: () => file.close(),
  };
}

/**
 * The results as the source of an export. Frames are read from disk one by one.
 * @param name folder of the pictures of a video
 */
export function sourceOfResults(
  folder: string,
  input: BatchInput,
  done: DoneInput,
  name: string,
): ExportSource {
  const { frames } = pathsOf(folder, input);
  const { objects, frameFiles } = done;
  const facts = { ...done.facts, name };
  const isPicture = facts.isPicture ?? false;
  return {
    facts,
    objects,
    async *frames() {
      const lines = createInterface({ input: createReadStream(frames), crlfDelay: Number.POSITIVE_INFINITY });
      for await (const line of lines) yield JSON.parse(line) as ExportFrame;
    },
    ...(isPicture && { frameFile: () => input.path }),
    ...(frameFiles && {
      frameFile: (frame: number) =>
        (input.path === "." ? "" : `${input.path}/`) + (frameFiles[frame] ?? frame),
    }),
  };
}
