/** Checks that the files of a pack are present, unchanged, and inside its folder. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import path from "node:path";
import type { Manifest } from "./manifest.js";

/** How a file differs from its entry in the manifest. */
export interface FileFault {
  file: string;
  expected: string;
  found: string;
  /** One sentence. */
  message: string;
}

/**
 * Checks every file of the manifest: it is present, inside the folder after links are resolved, and has the listed length and SHA-256.
 * @throws Error with one sentence about the first file that fails.
 */
export async function checkFiles(directory: string, files: Manifest["files"]): Promise<void> {
  for (const file of files) {
    const fault = await fileFault(directory, file);
    if (fault) throw new Error(fault.message);
  }
}

/** Undefined when the file is as the manifest lists it. */
export async function fileFault(
  directory: string,
  { name, bytes, sha256 }: Manifest["files"][number],
): Promise<FileFault | undefined> {
  const root = await realpath(directory);
  const fault = (expected: string, found: string, problem: string): FileFault => ({
    ...{ file: name, expected, found },
    message: `${name}: ${problem}.`,
  });
  const file = await realpath(path.join(root, name)).catch(() => undefined);
  if (file === undefined) return fault("a file", "no file", "the file is missing");
  if (!file.startsWith(root + path.sep)) {
    return fault("a file inside the pack's folder", file, "the file lies outside the pack's folder");
  }
  const found = await stat(file);
  if (!found.isFile()) return fault("a file", "a folder or a device", "not a file");
  if (found.size !== bytes) {
    const problem = `the length differs: expected ${bytes} bytes, found ${found.size}`;
    return fault(`${bytes} bytes`, `${found.size} bytes`, problem);
  }
  const digest = await sha256Of(file);
  if (digest === sha256) return undefined;
  return fault(sha256, digest, `the SHA-256 differs: expected ${sha256}, found ${digest}`);
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
