import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

let directory: string | undefined;

/** A folder for the media of one test file, removed after its last test. */
export function mediaDirectory(): string {
  directory ??= mkdtempSync(join(tmpdir(), "masklet-test-media-"));
  return directory;
}

/** A path in the media folder. Creates the folders above it. */
export function mediaPath(name: string): string {
  const path = join(mediaDirectory(), name);
  mkdirSync(dirname(path), { recursive: true });
  return path;
}

export function removeMediaDirectory(): void {
  if (directory) rmSync(directory, { recursive: true, force: true });
  directory = undefined;
}
