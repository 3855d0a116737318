/** The folder of `masklet serve --data`: everything in it outlives the server. */
import { mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { ServerOptions } from "../../server/config.js";
import { UsageError } from "./errors.js";

/** Work is kept this long after its last use: 24 days, the longest time that a timer can have. */
const LIFETIME_MS = 24 * 24 * 60 * 60 * 1000;

/** `masklet` in `XDG_DATA_HOME`, by default in `~/.local/share`. */
export function userDataFolder(): string {
  return join(process.env.XDG_DATA_HOME || join(homedir(), ".local", "share"), "masklet");
}

/**
 * The settings that keep uploads and saved sessions below a folder, and offer the sample clip there. Settings of the
 * environment have precedence.
 * @throws UsageError when the folder cannot be created
 */
export async function dataOptions(
  folder: string,
  mediaRoots: readonly string[] = [process.cwd()],
): Promise<Partial<ServerOptions>> {
  const data = resolve(folder);
  const sample = join(data, "sample");
  try {
    await mkdir(sample, { recursive: true, mode: 0o700 });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new UsageError(`--data: expected a folder that can be written, got "${folder}" (${code}).`);
  }
  const { env } = process;
  return {
    ...(!env.MASKLET_UPLOAD_DIR && { uploadDir: join(data, "uploads") }),
    ...(!env.MASKLET_SAVE_DIR && { saveDir: join(data, "sessions") }),
    ...(!env.MASKLET_UPLOAD_LIFETIME_MS && { uploadLifetimeMs: LIFETIME_MS }),
    ...(!env.MASKLET_SAVED_LIFETIME_MS && { savedLifetimeMs: LIFETIME_MS }),
    ...(!env.MASKLET_MEDIA_ROOTS && { mediaRoots: [...mediaRoots, sample] }),
    ...(!env.MASKLET_MEDIA_ROOTS && { sampleClip: join(sample, "sample.mp4") }),
  };
}
