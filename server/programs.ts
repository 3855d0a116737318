/** Finds programs and checks that they can be started, before a launcher would report their absence as its own failure. */
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { delimiter, isAbsolute, join, resolve } from "node:path";

/**
 * The absolute path of a program: a path as it is, a name in the folders of `PATH`.
 *
 * @throws the system's error when it does not exist or may not be executed
 */
export async function resolveProgram(program: string): Promise<string> {
  if (program.includes("/") || process.platform === "win32") return checked(resolve(program));
  const found = await findProgram(program);
  if (found === undefined) throw new Error(`PATH contains no program ${program}`);
  return found;
}

/** The first executable file of this name in the folders of `PATH`; undefined when there is none. */
export async function findProgram(name: string): Promise<string | undefined> {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    if (!isAbsolute(folder)) continue;
    try {
      return await checked(join(folder, name));
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

async function checked(path: string): Promise<string> {
  await access(path, constants.X_OK);
  if (!(await stat(path)).isFile()) throw new Error("it is no file");
  return path;
}
