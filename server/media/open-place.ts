/**
 * Opens files and folders under the media roots. A path can name another file a moment after it was checked, so the check
 * applies to what was opened: its descriptor stands for the file from then on.
 */

import type { Dir } from "node:fs";
import { constants, existsSync } from "node:fs";
import { type FileHandle, lstat, open, opendir, readlink, realpath } from "node:fs/promises";
import { ProtocolError } from "../../protocol/errors.js";
import { mediaUnreadable, mediaUnsupported, systemErrorCode } from "./errors.js";
import { isUnder, locate } from "./resource.js";

export interface Location {
  /** Absolute. */
  path: string;
  /** How messages call it, such as "The file" or "3.jpg". */
  name: string;
  /** Real paths of the folders that must contain it once links are resolved; undefined: it may be anywhere. */
  roots: readonly string[] | undefined;
}

/** What a path named when it was opened. */
export interface Place {
  kind: "file" | "folder";
  /** Without links. */
  realPath: string;
  /** Identifies the file on its device while it exists. */
  identity: Identity;
  /** Opens the file for reading. Call it for a file only. */
  openFile(): Promise<FileHandle>;
  /** Opens the folder for listing. Call it for a folder only. */
  openFolder(): Promise<Dir>;
}

export interface Identity {
  dev: bigint;
  ino: bigint;
}

export type UsePlace = <T>(location: Location, task: (place: Place) => Promise<T>) => Promise<T>;

/** Opening a pipe would wait for its writer, and opening a terminal would make it that of the server. */
const READ = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0);

/**
 * Linux: opens the place itself without opening its content, so that a device does nothing. Node does not export it; the value
 * is that of all architectures that Node supports.
 */
const O_PATH = 0o10000000;

/** macOS: opening fails when any part of the path is a link. Node does not export it. */
const O_NOFOLLOW_ANY = process.platform === "darwin" ? 0x20000000 : 0;

/** The kernel's names for the open descriptors of the process that reads them. */
export const OWN_DESCRIPTORS = "/proc/self/fd";

/** True where a descriptor can be opened again under its name, with a position of its own. */
export const canReopenDescriptors = process.platform === "linux" && existsSync(OWN_DESCRIPTORS);

/**
 * Runs `task` with the file or folder at a path, and releases it. Links are followed if they lead to a place under the roots.
 *
 * Throws `resource_forbidden` for a place outside the roots, the same whether or not it exists; `media_unsupported` for a pipe,
 * socket or device; and file system errors, which `readFailure` converts.
 */
export const usePlace: UsePlace = canReopenDescriptors ? usePlaceByDescriptor : usePlaceByIdentity;

/** With Linux's `/proc`: the kernel reports where the opened place is. */
export async function usePlaceByDescriptor<T>(
  location: Location,
  task: (place: Place) => Promise<T>,
): Promise<T> {
  const handle = await open(location.path, O_PATH).catch((error) => failLocating(location, error));
  try {
    const own = `${OWN_DESCRIPTORS}/${handle.fd}`;
    const realPath = await readlink(own);
    checkIsUnderRoots(location, realPath);
    const facts = await handle.stat({ bigint: true });
    return await task({
      kind: kindOf(facts, location),
      realPath,
      identity: { dev: facts.dev, ino: facts.ino },
      openFile: () => open(own, READ),
      openFolder: () => opendir(own),
    });
  } finally {
    await handle.close();
  }
}

/**
 * Without `/proc`: the real path must name the same file before and after it is opened. A folder above the file that is
 * replaced twice in between goes unnoticed where the system cannot open a path without following links.
 */
export async function usePlaceByIdentity<T>(
  location: Location,
  task: (place: Place) => Promise<T>,
): Promise<T> {
  const real = await realpath(location.path).catch((error) => failLocating(location, error));
  checkIsUnderRoots(location, real);
  const facts = await lstat(real, { bigint: true });
  async function checked<H extends { close(): Promise<void> }>(handle: H, opened?: Identity): Promise<H> {
    try {
      const [now, there] = [await realpath(real), await lstat(real, { bigint: true })];
      if (now !== real || !isSame(facts, there) || !isSame(facts, opened ?? there)) throw replaced(location);
      return handle;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }
  return task({
    kind: kindOf(facts, location),
    realPath: real,
    identity: { dev: facts.dev, ino: facts.ino },
    async openFile() {
      const handle = await open(real, READ | O_NOFOLLOW_ANY);
      return checked(handle, await handle.stat({ bigint: true }));
    },
    openFolder: async () => checked(await opendir(real)),
  });
}

/** Opens a file for reading, see {@link usePlace}. Also throws `media_unsupported` for a folder. */
export async function openInRoots(
  location: Location,
  use: UsePlace = usePlace,
): Promise<{ handle: FileHandle; identity: Identity }> {
  return use(location, async (place) => {
    if (place.kind === "folder") throw mediaUnsupported(`${location.name} is a folder.`);
    return { handle: await place.openFile(), identity: place.identity };
  });
}

export function isSame(a: Identity, b: Identity): boolean {
  return a.dev === b.dev && a.ino === b.ino;
}

/** The file at a path is not the one that was opened first. */
export function replaced({ name }: Location): Error {
  return mediaUnreadable(`${name} was replaced after it was opened.`);
}

function kindOf(facts: { isFile(): boolean; isDirectory(): boolean }, { name }: Location): Place["kind"] {
  if (facts.isFile()) return "file";
  if (facts.isDirectory()) return "folder";
  throw mediaUnsupported(`${name} is a pipe, a socket or a device; expected a file.`);
}

function checkIsUnderRoots(location: Location, real: string): void {
  const { roots } = location;
  if (roots && !roots.some((root) => isUnder(real, root))) throw forbidden(location);
}

/** A link to a missing place outside the roots must look like a link to a place that exists there. */
async function failLocating(location: Location, error: unknown): Promise<never> {
  const { path, roots } = location;
  const isMissing = ["ENOENT", "ENOTDIR", "ELOOP", "EACCES"].includes(systemErrorCode(error) ?? "");
  if (roots && isMissing && (await locate(path, roots)) === "forbidden") throw forbidden(location);
  throw error;
}

function forbidden({ name }: Location): ProtocolError {
  return new ProtocolError(
    "resource_forbidden",
    `${name} is not a file or folder under a media root once links are resolved.`,
  );
}
