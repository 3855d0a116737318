/** Starts a picture process. */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { locateProgram } from "../child-programs.js";

/** Variables that the process inherits; keys and other secrets of the server are not among them. */
const INHERITED = [
  ...["PATH", "HOME", "LANG", "TZ", "TMPDIR", "TEMP", "TMP", "SystemRoot"],
  ...["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "NODE_PATH"],
];

export function startPictureProcess(): ChildProcess {
  const inherited = INHERITED.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  const { url, execArgv } = locateProgram("./picture-main", import.meta.url);
  return fork(fileURLToPath(url), [], {
    serialization: "advanced",
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    execArgv,
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
