/** `masklet keys`: makes, lists and removes the keys of a server. */
import { open, realpath, rename, rm, stat } from "node:fs/promises";
import { createKey } from "../../server/keys/key.js";
import {
  isKeyName,
  keyLine,
  MAX_WEIGHT,
  NAME_RULE,
  parseKeyLine,
  parseKeyLines,
  parseWeight,
} from "../../server/keys/key-lines.js";
import { containsKeys, readKeysFile } from "../../server/keys/key-source.js";
import { CommandError, UsageError } from "./errors.js";
import { printJson } from "./print-json.js";

export interface KeysArguments {
  file?: string;
  weight?: string;
  json?: boolean;
}

const SHOWN_HASH_DIGITS = 12;
const LEAST_HASH_DIGITS = 8;

/**
 * Adds a key to the file and prints it on standard output. Without a file, the line for the file goes to standard output, and
 * the key to standard error.
 *
 * @throws UsageError, CommandError.
 */
export async function addKey(name: string, { file, weight, json }: KeysArguments): Promise<void> {
  checkName(name);
  const weightNumber = weight === undefined ? undefined : parseWeight(weight);
  if (weight !== undefined && weightNumber === undefined) {
    throw new UsageError(`--weight: expected a whole number from 1 to ${MAX_WEIGHT}, got "${weight}".`);
  }
  const key = createKey();
  const line = keyLine(name, key, weightNumber);
  if (file === undefined) {
    if (json) {
      printJson({ name, key, line });
      return;
    }
    process.stderr.write(`The key of ${name}, which is shown only now:\n${key}\n`);
    process.stdout.write(`${line}\n`);
    return;
  }
  await changeFile(file, (text) => {
    const before = text === "" || text.endsWith("\n") ? text : `${text}\n`;
    return `${before}${line}\n`;
  });
  if (json) {
    printJson({ name, key, file });
    return;
  }
  process.stderr.write(`Added a key of ${name} to ${file}. It is shown only now:\n`);
  process.stdout.write(`${key}\n`);
  process.stderr.write(`A running server reads the file again on SIGHUP: masklet serve --keys ${file}\n`);
}

/** Prints name, weight and the beginning of the hash of each key. @throws CommandError. */
export async function listKeys({ file, json }: KeysArguments): Promise<void> {
  const path = pathOf(file);
  const { text } = await readExisting(path);
  const keys = parseLines(text, path).map(({ name, weight = 1, hash }) => ({
    ...{ name, weight },
    hash_start: hash.slice(0, SHOWN_HASH_DIGITS),
  }));
  if (json) {
    printJson({ file: path, keys });
    return;
  }
  for (const { name, weight, hash_start } of keys) {
    process.stdout.write(`${name}\tweight ${weight}\t${hash_start}\n`);
  }
}

/**
 * Removes the keys of a name, or only those whose hash begins with the given digits.
 * @throws UsageError, CommandError also when there is no such key.
 */
export async function removeKeys(
  name: string,
  hashStart: string | undefined,
  { file, json }: KeysArguments,
): Promise<void> {
  checkName(name);
  const start = hashStart?.toLowerCase() ?? "";
  if (hashStart !== undefined && !/^[0-9a-f]{8,64}$/.test(start)) {
    throw new UsageError(
      `HASH: expected at least ${LEAST_HASH_DIGITS} hex digits of "masklet keys list", got "${hashStart}".`,
    );
  }
  const path = pathOf(file);
  await readExisting(path);
  let removed = 0;
  let left = 0;
  await changeFile(path, (text) => {
    const lines = text.split(/(?<=\n)/).filter((line) => {
      const key = parseKeyLine(line.trimEnd());
      const isRemoved = key?.name === name && key.hash.startsWith(start);
      if (isRemoved) removed++;
      else if (key) left++;
      return !isRemoved;
    });
    if (removed === 0) {
      const which = hashStart === undefined ? "" : ` with a hash of ${start}…`;
      throw new CommandError(`${path} contains no key of ${name}${which}.`);
    }
    return lines.join("");
  });
  if (json) {
    printJson({ file: path, name, removed, left });
    return;
  }
  process.stderr.write(`Removed ${removed} key${removed === 1 ? "" : "s"} of ${name} from ${path}. `);
  process.stderr.write(
    left > 0
      ? "A running server reads the file again on SIGHUP, and closes their connections.\n"
      : "No key is left. Stop the server: it does not accept a file without keys, and would keep the removed ones.\n",
  );
}

function checkName(name: string): void {
  if (!isKeyName(name)) throw new UsageError(`NAME: expected ${NAME_RULE}, got "${name}".`);
}

function pathOf(file: string | undefined): string {
  if (file !== undefined) return file;
  const setting = process.env.MASKLET_KEYS;
  if (setting !== undefined && setting !== "" && !containsKeys(setting)) return setting;
  throw new UsageError("--file: expected the file of keys, because MASKLET_KEYS names none.");
}

function parseLines(text: string, path: string) {
  try {
    return parseKeyLines(text, `The keys file ${path}`);
  } catch (cause) {
    throw new CommandError((cause as Error).message, { cause });
  }
}

async function readExisting(path: string): Promise<{ text: string; mode: number }> {
  try {
    return await readKeysFile(path);
  } catch (cause) {
    throw new CommandError((cause as Error).message, { cause });
  }
}

/**
 * Replaces the file at once, so that a server never reads half of it. The new file is also the lock against another command
 * that changes the same file. It is readable for its owner only, unless the old one had another mode.
 */
async function changeFile(path: string, edit: (text: string) => string): Promise<void> {
  const exists = (await stat(path).catch(() => undefined)) !== undefined;
  // A link stays a link.
  const target = exists ? await realpath(path) : path;
  const next = `${target}.new`;
  const file = await open(next, "wx", 0o600).catch((cause: NodeJS.ErrnoException) => {
    const why =
      cause.code === "EEXIST"
        ? `${next} exists: another command changes the keys, or one was interrupted; then delete that file`
        : `${path} cannot be changed (${cause.code})`;
    throw new CommandError(`${why}.`, { cause });
  });
  try {
    try {
      const { text, mode } = exists ? await readExisting(target) : { text: "", mode: 0o600 };
      const changed = edit(text);
      // Reports an invalid line of the old file instead of keeping it. A file without keys is valid here.
      if (/\S/.test(changed.replace(/#.*$/gm, ""))) parseLines(changed, path);
      await file.writeFile(changed);
      await file.chmod(mode & 0o777);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(next, target);
  } catch (error) {
    await rm(next, { force: true });
    throw error;
  }
}
