/**
 * Where the programs of child processes and threads are, and the options of Node that they need. Compiled code needs none.
 * Sources need the TypeScript loader, which is resolved here: a child would search for it from the user's working directory.
 *
 * The tests compile the sources once and set `MASKLET_TEST_PROGRAMS` to that folder, because the loader takes a second of each
 * start.
 */
import { existsSync } from "node:fs";
import { relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Worker, type WorkerOptions } from "node:worker_threads";

const root = fileURLToPath(new URL("../", import.meta.url));

export interface ChildProgram {
  url: URL;
  /** False for sources, which need the TypeScript loader. */
  isCompiled: boolean;
  /** Options for `fork`. */
  execArgv: string[];
}

/** @param program a module without its extension, relative to the module that `base` is the URL of */
export function locateProgram(program: string, base: string): ChildProgram {
  const isCompiled = !base.endsWith(".ts");
  const url = new URL(`${program}.${isCompiled ? "js" : "ts"}`, base);
  const folder = process.env.MASKLET_TEST_PROGRAMS;
  if (!isCompiled && folder) {
    const path = relative(root, fileURLToPath(url)).replace(/\.ts$/, ".js");
    const compiled = new URL(path, pathToFileURL(`${folder}/`));
    if (existsSync(compiled)) return { url: compiled, isCompiled: true, execArgv: [] };
  }
  return { url, isCompiled, execArgv: isCompiled ? [] : ["--import", import.meta.resolve("tsx")] };
}

/** Starts a program in a thread. @param program and `base`: as for {@link locateProgram} */
export function startThread(program: string, base: string, options: WorkerOptions = {}): Worker {
  // `--import` of a loader has no effect in threads. They need no other option of this process.
  const all = { ...options, execArgv: [] };
  const { url, isCompiled } = locateProgram(program, base);
  if (isCompiled) return new Worker(url, all);
  const source = `import(${JSON.stringify(import.meta.resolve("tsx/esm/api"))}).then(({ register }) => {
    register();
    return import(${JSON.stringify(url.href)});
  });`;
  return new Worker(source, { ...all, eval: true });
}
