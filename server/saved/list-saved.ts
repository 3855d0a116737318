/** The list of an owner's saved sessions. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { SavedSummary } from "../../protocol/index.js";
import { openSavedFile } from "./saved-file.js";

export const SAVED_EXTENSION = ".masklet";

/**
 * The files of a folder, the newest first. Of each file only the directory and the manifest are read, one file after the other.
 * @param folder of one owner; an absent one has no files
 */
export async function listSaved(folder: string, lifetimeMs: number): Promise<SavedSummary[]> {
  const names = await readdir(folder).catch(() => []);
  const found: (SavedSummary & { savedAtMs: number })[] = [];
  for (const name of names.filter((one) => one.endsWith(SAVED_EXTENSION))) {
    const path = join(folder, name);
    const facts = await stat(path).catch(() => undefined);
    // Deleted since the folder was read.
    if (!facts) continue;
    const video = await videoOf(path);
    found.push({
      savedAtMs: facts.mtimeMs,
      saved_id: name.slice(0, -SAVED_EXTENSION.length),
      name: video?.name ?? null,
      bytes: facts.size,
      saved_at: new Date(facts.mtimeMs).toISOString(),
      expires_at: new Date(facts.mtimeMs + lifetimeMs).toISOString(),
      ...(video && { video: { width: video.width, height: video.height, num_frames: video.num_frames } }),
    });
  }
  return found.sort((a, b) => b.savedAtMs - a.savedAtMs).map(({ savedAtMs: _, ...summary }) => summary);
}

async function videoOf(path: string) {
  const file = await openSavedFile(path).catch(() => undefined);
  file?.close();
  return file?.manifest.video;
}
