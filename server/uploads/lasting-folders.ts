/**
 * Folders of uploads that outlive the server. They are in parts, `masklet-uploads-1` and so on, of a folder that the operator
 * chose. Several servers may share that folder: each part belongs to the server that holds its lock. A server that starts
 * takes over every part without a running server.
 */
import { lstat, mkdir, opendir, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { validate as isUuid } from "uuid";
import { systemErrorCode } from "../media/errors.js";
import { type Claim, claimFolder, type FolderLock, waitUntilAbandoned } from "./folder-lock.js";
import { type FoldersOptions, removeFolder, type UploadFolders } from "./folders.js";

const PART = /^masklet-uploads-([1-9]\d{0,5})$/;
/** More servers than this do not share one folder. */
const MAX_PARTS = 1000;

interface Part {
  folder: string;
  lock: FolderLock;
}

/**
 * @param parent absolute path
 * @param signal ends the wait for the locks of other machines
 */
export function createLastingFolders(
  parent: string,
  { log, onLost, signal }: FoldersOptions & { signal: AbortSignal },
): UploadFolders {
  const parts: Part[] = [];
  let takingOver: Promise<void> = Promise.resolve();

  function adopt(folder: string, claim: Claim): void {
    if (claim.kind === "claimed") parts.push({ folder, lock: claim.lock });
  }

  /** Claims the parts without a running server. Those of other machines follow later. */
  async function claimParts(): Promise<void> {
    await mkdir(parent, { recursive: true, mode: 0o700 });
    const elsewhere: string[] = [];
    for (const folder of await listParts(parent)) {
      const claim = await claimFolder(folder).catch((error) => skip(folder, error));
      adopt(folder, claim);
      if (claim.kind === "elsewhere") elsewhere.push(folder);
    }
    if (elsewhere.length === 0) return;
    log?.info({ parts: elsewhere }, "waiting whether another machine uses these uploads");
    takingOver = Promise.all(
      elsewhere.map(async (folder) =>
        adopt(folder, await waitUntilAbandoned(folder, signal).catch((error) => skip(folder, error))),
      ),
    ).then(() => {});
  }

  function skip(part: string, error: unknown): Claim {
    if (!signal.aborted) log?.warn({ err: error, part }, "stored uploads cannot be read");
    return { kind: "held" };
  }

  const claimed = claimParts();
  claimed.catch((error) =>
    log?.error({ err: error, folder: parent }, "the folder for uploads is not usable"),
  );

  /** A new part of this server's own. */
  async function addPart(): Promise<Part> {
    await mkdir(parent, { recursive: true, mode: 0o700 });
    for (let number = 1; number <= MAX_PARTS; number++) {
      const folder = join(parent, `masklet-uploads-${number}`);
      try {
        await mkdir(folder, { mode: 0o700 });
      } catch (error) {
        if (systemErrorCode(error) === "EEXIST") continue;
        throw error;
      }
      const claim = await claimFolder(folder);
      if (claim.kind !== "claimed") continue;
      const part = { folder, lock: claim.lock };
      parts.push(part);
      return part;
    }
    throw new Error(`${parent} has ${MAX_PARTS} parts in use`);
  }

  let adding: Promise<Part> | undefined;
  function home(): Promise<Part> {
    if (parts[0]) return Promise.resolve(parts[0]);
    adding ??= addPart().finally(() => {
      adding = undefined;
    });
    return adding;
  }

  return {
    isLasting: true,
    async create(uploadId) {
      await claimed.catch(() => {});
      const part = await home();
      try {
        return await makeFolder(part.folder, uploadId);
      } catch (error) {
        if (systemErrorCode(error) !== "ENOENT") throw error;
        // Another program has deleted the part.
        await part.lock.release();
        const index = parts.indexOf(part);
        if (index >= 0) parts.splice(index, 1);
        onLost();
        return makeFolder((await home()).folder, uploadId);
      }
    },
    remove: (folder) => removeFolder(folder, log),
    async find(uploadId) {
      if (!isUuid(uploadId)) return undefined;
      await claimed.catch(() => {});
      const folder = await findIn(parts, uploadId);
      if (folder !== undefined) return folder;
      await takingOver;
      return findIn(parts, uploadId);
    },
    async *leftOver() {
      await claimed.catch(() => {});
      const first = [...parts];
      for (const { folder } of first) yield* listUploads(folder);
      await takingOver;
      for (const part of parts) if (!first.includes(part)) yield* listUploads(part.folder);
    },
    async close() {
      await claimed.catch(() => {});
      await takingOver;
      for (const { folder, lock } of parts) {
        await lock.release().catch((error) => log?.warn({ err: error }, "a lock file stays"));
        // Only an empty folder is removed.
        await rmdir(folder).catch(() => {});
      }
    },
  };
}

async function makeFolder(part: string, uploadId: string): Promise<string> {
  const folder = join(part, uploadId);
  await mkdir(folder, { mode: 0o700 });
  return folder;
}

/** Parts in the order of their numbers. Other files and links are ignored. */
async function listParts(parent: string): Promise<string[]> {
  const numbers: number[] = [];
  for await (const entry of await opendir(parent)) {
    const number = PART.exec(entry.name)?.[1];
    if (number !== undefined && entry.isDirectory()) numbers.push(Number(number));
  }
  numbers.sort((a, b) => a - b);
  return numbers.slice(0, MAX_PARTS).map((number) => join(parent, `masklet-uploads-${number}`));
}

async function findIn(parts: readonly Part[], uploadId: string): Promise<string | undefined> {
  for (const part of parts) {
    const folder = join(part.folder, uploadId);
    const facts = await lstat(folder).catch(() => undefined);
    if (facts?.isDirectory()) return folder;
  }
  return undefined;
}

async function* listUploads(part: string): AsyncGenerator<{ uploadId: string; folder: string }> {
  for await (const entry of await opendir(part)) {
    if (entry.isDirectory() && isUuid(entry.name)) {
      yield { uploadId: entry.name, folder: join(part, entry.name) };
    }
  }
}
