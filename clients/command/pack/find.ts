/** Where packs are found by name: in the package, and in the folder `packs` of the data folder. */
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { embeddedPacksFolder } from "../../../server/config.js";
import { type Manifest, parseManifest } from "../../../server/packs/manifest.js";
import { userDataFolder } from "../data-folder.js";
import { UsageError } from "../errors.js";

export interface FoundPack {
  /** For `masklet serve --pack`: the name of the folder. */
  name: string;
  folder: string;
  isEmbedded: boolean;
}

/** @param data the folder of `--data`; absent: that of the user */
export function packsFolder(data: string | undefined): string {
  return join(data === undefined ? userDataFolder() : resolve(data), "packs");
}

/** Embedded packs come first. A pack of the data folder cannot hide one of them. */
export async function findPacks(data: string | undefined): Promise<FoundPack[]> {
  const embedded = await packsIn(embeddedPacksFolder(), true);
  const names = new Set(embedded.map(({ name }) => name));
  const added = await packsIn(packsFolder(data), false);
  return [...embedded, ...added.filter(({ name }) => !names.has(name))];
}

async function packsIn(folder: string, isEmbedded: boolean): Promise<FoundPack[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith("."))
    .map(({ name }) => ({ name, folder: join(folder, name), isEmbedded }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * The folder of a pack: a folder with a manifest, or else a name.
 * @param option for messages, such as `--pack`
 * @throws UsageError listing the names that exist
 */
export async function resolvePack(given: string, data: string | undefined, option: string): Promise<string> {
  if (await stat(join(given, "manifest.json")).catch(() => undefined)) return resolve(given);
  const packs = await findPacks(data);
  const found = packs.find(({ name }) => name === given);
  if (found) return found.folder;
  // The server reports what is missing in it.
  if ((await stat(given).catch(() => undefined))?.isDirectory()) return resolve(given);
  const names = packs.map(({ name }) => name).join(", ");
  throw new UsageError(`${option}: expected a folder or the name of a pack (${names}), got "${given}".`);
}

/** @throws Error with one sentence about the manifest */
export async function readPackManifest(folder: string): Promise<Manifest> {
  const text = await readFile(join(folder, "manifest.json"), "utf8").catch((cause: NodeJS.ErrnoException) => {
    throw new Error(`${basename(folder)}: manifest.json cannot be read (${cause.code}).`, { cause });
  });
  return parseManifest(text);
}
