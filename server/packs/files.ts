/** Checks that the files of a pack are present, unchanged, and inside its folder. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import path from "node:path";
import type { Manifest } from "./manifest.js";

/**
 * Checks every file of the manifest: it is present, inside the folder after links are resolved, and has the listed length and SHA-256.
 * @throws Error with one sentence about the first file that fails.
 */
export async function checkFiles(directory: string, files: Manifest["files"]): Promise<void> {
  const root = await realpath(directory);
  for (const { name, bytes, sha256 } of files) {
    const file = await realpath(path.join(root, name)).catch(() => undefined);
    if (file === undefined) throw new Error(`${name}: the file is missing.`);
    if (!file.startsWith(root + path.sep))
      throw new Error(`${name}: the file lies outside the pack's folder.`);
    const found = await stat(file);
    if (!found.isFile()) throw new Error(`${name}: not a file.`);
    if (found.size !== bytes) {
      throw new Error(`${name}: the length differs: expected ${bytes} bytes, found ${found.size}.`);
    }
    const digest = await sha256Of(file);
    if (digest !== sha256)
      throw new Error(`${name}: the SHA-256 differs: expected ${sha256}, found ${digest}.`);
  }
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
