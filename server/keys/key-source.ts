/** Reads keys from the setting `keysFile`. */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { digestOf } from "./key.js";
import { type KeyLine, parseKeyLines } from "./key-lines.js";

export const MAX_KEYS_FILE_BYTES = 1024 * 1024;

export interface KeySource {
  keys: KeyLine[];
  /** A sentence about a file that other users of the machine can read. */
  warning?: string;
}

/** True when the setting contains lines of keys, not the path of a file. */
export function containsKeys(setting: string): boolean {
  return setting.includes(":sha256:");
}

/** @throws RangeError when the keys cannot be read, in one sentence that names the file. */
export async function readKeys(setting: string): Promise<KeySource> {
  if (digestOf(setting.trim())) {
    throw new RangeError("keysFile is a key; expected a file with the hashes of keys.");
  }
  if (containsKeys(setting)) return { keys: parseKeyLines(setting, "The setting keysFile") };
  const { text, mode } = await readKeysFile(setting);
  const keys = parseKeyLines(text, `The keys file ${setting}`);
  const isReadable = process.platform !== "win32" && (mode & 0o004) !== 0;
  if (!isReadable) return { keys };
  const warning = `Other users of this machine can read the keys file ${setting}, and so the names of all owners; chmod 600 prevents it.`;
  return { keys, warning };
}

/**
 * The text of a keys file, and its mode.
 * @throws RangeError also for a file that other users can change: they could give themselves a key
 */
export async function readKeysFile(path: string): Promise<{ text: string; mode: number }> {
  const fail = (problem: string, cause?: unknown) =>
    new RangeError(`The keys file ${path} ${problem}.`, { cause });
  let file: FileHandle;
  try {
    // A pipe without a writer would block.
    file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT") throw fail("does not exist", cause);
    throw fail(`cannot be read (${code})`, cause);
  }
  try {
    const facts = await file.stat();
    if (!facts.isFile()) throw fail("is not a regular file");
    if (process.platform !== "win32" && (facts.mode & 0o022) !== 0) {
      throw fail("can be changed by other users of this machine; use chmod 600");
    }
    if (facts.size > MAX_KEYS_FILE_BYTES) {
      throw fail(`has ${facts.size} bytes; expected at most ${MAX_KEYS_FILE_BYTES}`);
    }
    return { text: await file.readFile("utf8"), mode: facts.mode };
  } catch (cause) {
    if (cause instanceof RangeError) throw cause;
    throw fail(`cannot be read (${(cause as NodeJS.ErrnoException).code})`, cause);
  } finally {
    await file.close();
  }
}
