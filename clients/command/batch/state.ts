/** The folder in which a batch keeps its results, so that the same command continues it. */
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CommandError, UsageError } from "../errors.js";

/** What determines the results, besides the content of the inputs. */
export interface BatchSettings {
  phrases: readonly string[];
  /** Known after the first input. */
  pack?: string;
}

export interface BatchState {
  /** Folder of results. */
  readonly folder: string;
  /** @throws CommandError when earlier results are of another pack */
  requirePack(pack: string): Promise<void>;
  close(): Promise<void>;
}

/**
 * Creates or continues the folder.
 * @throws UsageError when it was begun with other phrases; CommandError while another process uses it
 */
export async function openState(folder: string, phrases: readonly string[]): Promise<BatchState> {
  await mkdir(folder, { recursive: true }).catch((cause: Error) => {
    throw new CommandError(`${folder} cannot be written: ${cause.message}.`, { cause });
  });
  const unlock = await lock(folder);
  const path = join(folder, "batch.json");
  try {
    const earlier = await readSettings(path);
    if (earlier && JSON.stringify(earlier.phrases) !== JSON.stringify(phrases)) {
      throw new UsageError(
        `--text: ${folder} has results of ${earlier.phrases.map((one) => `"${one}"`).join(", ")}; choose another --out, or delete that folder.`,
      );
    }
    let pack = earlier?.pack;
    if (!earlier) await writeSettings(path, { phrases });
    return {
      folder,
      async requirePack(name) {
        if (pack === name) return;
        if (pack !== undefined) {
          throw new CommandError(
            `${folder} has results of the pack ${pack}, and the server has ${name}; choose another --out, or delete that folder.`,
          );
        }
        pack = name;
        await writeSettings(path, { phrases, pack });
      },
      close: unlock,
    };
  } catch (error) {
    await unlock();
    throw error;
  }
}

async function readSettings(path: string): Promise<BatchSettings | undefined> {
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const { phrases, pack } = JSON.parse(text) as BatchSettings;
    if (Array.isArray(phrases)) return { phrases, ...(pack !== undefined && { pack }) };
  } catch {
    // Reported below.
  }
  throw new CommandError(`${path} is damaged; delete its folder, and the batch begins anew.`);
}

async function writeSettings(path: string, settings: BatchSettings): Promise<void> {
  await writeFile(`${path}.new`, JSON.stringify(settings), { flush: true });
  await rename(`${path}.new`, path);
}

/** The file contains the id of the process. A killed process leaves it, so it counts only while the process exists. */
async function lock(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, "lock");
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      await writeFile(path, String(process.pid), { flag: "wx" });
      return () => rm(path, { force: true });
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause;
      const owner = Number(await readFile(path, "utf8").catch(() => ""));
      if (isRunning(owner)) {
        throw new CommandError(
          `Process ${owner} runs a batch with ${folder}; wait for it, or delete ${path}.`,
        );
      }
      await rm(path, { force: true });
    }
  }
  throw new CommandError(`${path} cannot be created; another process runs a batch with this folder.`);
}

function isRunning(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
