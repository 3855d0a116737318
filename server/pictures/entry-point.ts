/** Starts a picture process. */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { locateProgram } from "../child-programs.js";
import { direct, type Launcher } from "../media/box/launchers.js";
import type { ToolLimits } from "../media/box/limits.js";

/** Variables that the process inherits; keys and other secrets of the server are not among them. */
const INHERITED = [
  ...["PATH", "HOME", "LANG", "TZ", "TMPDIR", "TEMP", "TMP", "SystemRoot"],
  ...["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "NODE_PATH"],
];

/** Node reserves address space without using it. The process limits its memory itself, see `picture-main.ts`. */
const LIMITS: Partial<ToolLimits> = {};

/** @param launcher the box of the process */
export function startPictureProcess(launcher: Launcher = direct): ChildProcess {
  const inherited = INHERITED.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  const { url, execArgv } = locateProgram("./picture-main", import.meta.url);
  const program = { binary: process.execPath, args: [...execArgv, fileURLToPath(url)] };
  const { file, args } = launcher.command({ ...program, limits: LIMITS, readable: [] });
  return fork(args.at(-1) as string, [], {
    execPath: file,
    execArgv: args.slice(0, -1),
    // A process group of its own: Ctrl-C in a terminal would end the programs of the box.
    detached: process.platform !== "win32",
    serialization: "advanced",
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    env: {
      ...Object.fromEntries(inherited),
      // libvips: no loader that it marks as untrusted, such as SVG and PDF.
      VIPS_BLOCK_UNTRUSTED: "1",
      // glibc: buffers of pictures go back to the system when they are freed, in place of growing the heap.
      MALLOC_MMAP_THRESHOLD_: String(1024 * 1024),
      MALLOC_ARENA_MAX: "2",
    },
  });
}
