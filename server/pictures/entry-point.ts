/**
 * Starts a picture process. Compiled code needs no options. Sources need the TypeScript loader, which is resolved here: the
 * started process would search for it from the user's working directory.
 */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";

const fromSource = import.meta.url.endsWith(".ts");
const ENTRY = fileURLToPath(new URL(`./picture-main.${fromSource ? "ts" : "js"}`, import.meta.url));

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
  return fork(ENTRY, [], {
    serialization: "advanced",
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    execArgv: fromSource ? ["--import", import.meta.resolve("tsx")] : [],
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
