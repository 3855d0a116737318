import { chmodSync, constants, statSync } from "node:fs";
import { createRequire } from "node:module";
import { isExhaustion, serverOverloaded, systemErrorCode } from "./errors.js";

const require = createRequire(import.meta.url);

/** `FFMPEG_PATH`, or else the binary of the installed package. */
export function ffmpegPath(): string {
  return process.env.FFMPEG_PATH || installed("@ffmpeg-installer/ffmpeg", "FFMPEG_PATH");
}

/** `FFPROBE_PATH`, or else the binary of the installed package. */
export function ffprobePath(): string {
  return process.env.FFPROBE_PATH || installed("@ffprobe-installer/ffprobe", "FFPROBE_PATH");
}

// Loaded on first use: on platforms without a binary the packages throw, and only the variable works.
function installed(packageName: string, variable: string): string {
  let path: string;
  try {
    ({ path } = require(packageName) as { path: string });
  } catch (cause) {
    if (isExhaustion(cause)) throw serverOverloaded(`${packageName} cannot be loaded`, cause);
    throw new Error(`${packageName} has no binary for this platform; set ${variable}`, { cause });
  }
  makeExecutable(path, variable);
  return path;
}

const executable = new Set<string>();

/**
 * Adds the permission that the package's install script would add: npm does not run it with `--ignore-scripts`.
 *
 * Throws an Error that names the file and what to do when there is no such file or its permissions cannot be changed.
 */
export function makeExecutable(path: string, variable: string): void {
  if (executable.has(path)) return;
  try {
    if ((statSync(path).mode & constants.S_IXUSR) === 0) chmodSync(path, 0o755);
  } catch (cause) {
    const isMissing = systemErrorCode(cause) === "ENOENT";
    const problem = isMissing
      ? "does not exist: install the packages again"
      : "is not executable: run chmod u+x on it";
    throw new Error(`${path} ${problem}, or set ${variable} to another binary`, { cause });
  }
  executable.add(path);
}
