/** Writes the file of a batch from the results on disk. */
import { open, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { readExportFile } from "../../../server/exports/encode.js";
import { CommandError } from "../errors.js";
import type { BatchInput } from "./inputs.js";
import type { BatchJob } from "./job.js";
import { readDone, sourceOfResults } from "./results.js";
import type { BatchState } from "./state.js";

export interface Totals {
  done: number;
  objects: number;
  frames: number;
  masks: number;
}

/**
 * The numbers of videos are the positions of the inputs, so that they do not depend on what is done. The file is replaced when it
 * is complete.
 */
export async function writeOutput(
  inputs: readonly BatchInput[],
  out: string,
  { format, options, phrases }: Pick<BatchJob, "format" | "options" | "phrases">,
  { folder }: Pick<BatchState, "folder">,
): Promise<Totals> {
  const totals: Totals = { done: 0, objects: 0, frames: 0, masks: 0 };
  for (const input of inputs) {
    const done = await readDone(folder, input);
    if (!done) continue;
    totals.done++;
    totals.objects += done.objects.length;
    totals.frames += done.facts.numFrames;
    totals.masks += done.numMasks;
  }
  if (totals.done === 0) return totals;
  const names = videoNames(inputs);
  const file = format.collection(
    {
      name: basename(out).replace(/(\.\w+)?\.json$/, ""),
      categories: phrases,
      async *videos() {
        for (const [at, input] of inputs.entries()) {
          const done = await readDone(folder, input);
          if (done)
            yield { videoId: at + 1, source: sourceOfResults(folder, input, done, names[at] ?? input.path) };
        }
      },
    },
    options,
  );
  const unfinished = join(folder, "output.new");
  try {
    const handle = await open(unfinished, "w");
    try {
      for await (const chunk of readExportFile(file)) await handle.writeFile(chunk);
    } finally {
      await handle.close();
    }
    await rename(unfinished, out);
  } catch (cause) {
    await rm(unfinished, { force: true });
    throw new CommandError(`${out} cannot be written: ${(cause as Error).message}.`, { cause });
  }
  return totals;
}

/** The paths without the extension, unless another input has the same path without it. */
export function videoNames(inputs: readonly Pick<BatchInput, "path" | "kind">[]): string[] {
  const stemOf = ({ path, kind }: Pick<BatchInput, "path" | "kind">) =>
    kind === "frames" ? path : path.replace(/\.[^./]+$/, "");
  const counts = new Map<string, number>();
  for (const input of inputs) counts.set(stemOf(input), (counts.get(stemOf(input)) ?? 0) + 1);
  return inputs.map((input) => (counts.get(stemOf(input)) === 1 ? stemOf(input) : input.path));
}
