import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { promisify } from "node:util";

const require = createRequire(import.meta.url);

/** `FFMPEG_PATH`, else the binary that came with the package. */
export function ffmpegPath(): string {
  return process.env.FFMPEG_PATH || installed("@ffmpeg-installer/ffmpeg", "FFMPEG_PATH");
}

/** `FFPROBE_PATH`, else the binary that came with the package. */
export function ffprobePath(): string {
  return process.env.FFPROBE_PATH || installed("@ffprobe-installer/ffprobe", "FFPROBE_PATH");
}

// Required only when needed: the installers throw on platforms they have no binary for, where the variable still works.
function installed(packageName: string, variable: string): string {
  try {
    return (require(packageName) as { path: string }).path;
  } catch (cause) {
    throw new Error(`${packageName} has no binary for this platform; set ${variable}`, { cause });
  }
}

const passthrough = new Map<string, Promise<string[]>>();

/**
 * The options that make ffmpeg write every decoded frame exactly once. Old builds know only `-vsync`, new ones are
 * dropping it for `-fps_mode`; libavutil 58 is the first major version in which the new name is certain.
 */
export function passthroughOptions(binary: string): Promise<string[]> {
  let options = passthrough.get(binary);
  if (!options) {
    options = promisify(execFile)(binary, ["-version"], { timeout: 20_000 }).then(({ stdout }) => {
      const major = Number(/libavutil\s+(\d+)\./.exec(stdout)?.[1] ?? 0);
      return major >= 58 ? ["-fps_mode", "passthrough"] : ["-vsync", "0"];
    });
    options.catch(() => passthrough.delete(binary));
    passthrough.set(binary, options);
  }
  return options;
}
