import { existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { writeClip } from "../demo/clip.js";

/** Draws the sample clip unless it exists. Readers see a complete file or none. */
export async function makeSample(path: string, signal: AbortSignal): Promise<void> {
  if (existsSync(path)) return;
  const unfinished = join(dirname(path), `unfinished-${process.pid}.mp4`);
  try {
    await writeClip(unfinished, undefined, signal);
    await rename(unfinished, path);
  } finally {
    await rm(unfinished, { force: true });
  }
}
