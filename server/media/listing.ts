/** What the media roots contain, for people who choose a file. */
import type { FileHandle } from "node:fs/promises";
import { realpath } from "node:fs/promises";
import { basename, dirname, join, parse, resolve } from "node:path";
import { FIXED_LIMITS, type MediaListing } from "../../protocol/index.js";
import { mediaUnsupported, readFailure } from "./errors.js";
import { naturalOrder } from "./natural-order.js";
import { type Place, usePlace } from "./open-place.js";
import { resolveResource } from "./resource.js";
import { SNIFFED_BYTES, sniffBytes } from "./sniff.js";
import { hasPictureName } from "./still-folder.js";

export type { MediaListing };

type Entry = MediaListing["entries"][number];

/** Files that are read at the same time. */
const READS_AT_ONCE = 8;

/** Names of a folder that are looked at to find out whether it contains pictures. */
const NAMES_PER_FOLDER = 100;

/**
 * The files and folders of a folder that `start_session` can open or that may contain such files, in natural order, folders
 * first. Hidden ones are left out. Without a folder: the content of the only media root, or the roots.
 *
 * @param sample a video that the first list begins with; its folder is a media root that is not listed
 * @param mediaRoots undefined: the working directory is the only root, and every path is allowed
 * @throws ProtocolError resource_not_found, resource_forbidden, media_unsupported for a file
 */
export async function listMedia(
  mediaRoots: readonly string[] | undefined,
  folder: string | undefined,
  sample?: string,
): Promise<MediaListing> {
  const roots = mediaRoots ?? [process.cwd()];
  if (folder === undefined && sample !== undefined) {
    const others = roots.filter((root) => resolve(root) !== dirname(sample));
    const listing = await listMedia(others, undefined);
    const entry = await entryOf(await realpath(sample).catch(() => sample), [dirname(sample)]);
    return { ...listing, entries: [...(entry ? [{ ...entry, name: "Sample" }] : []), ...listing.entries] };
  }
  const realRoots = mediaRoots
    ? await Promise.all(roots.map((root) => realpath(root).catch(() => resolve(root))))
    : [parse(process.cwd()).root];
  if (folder === undefined && roots.length !== 1) {
    const entries = await Promise.all(realRoots.map((root) => entryOf(root, realRoots)));
    return {
      folder: null,
      parent: null,
      entries: entries.flatMap((entry) => entry ?? []),
      left_out_count: 0,
    };
  }
  const path = await resolveResource(folder ?? resolve(roots[0] as string), mediaRoots);
  const names = await usePlace({ path, name: "The folder", roots: realRoots }, namesOf).catch((error) => {
    throw readFailure(error, "The folder");
  });
  names.sort(naturalOrder);
  const { value: most } = FIXED_LIMITS.mediaListed;
  const entries: Entry[] = [];
  for (let at = 0; at < Math.min(names.length, most); at += READS_AT_ONCE) {
    const some = names.slice(at, Math.min(at + READS_AT_ONCE, most));
    const found = await Promise.all(some.map((name) => entryOf(join(path, name), realRoots)));
    entries.push(...found.flatMap((entry) => entry ?? []));
  }
  const isFolder = ({ kind }: Entry) => kind === "folder";
  return {
    folder: path,
    parent: realRoots.includes(path) || dirname(path) === path ? null : dirname(path),
    entries: [...entries.filter(isFolder), ...entries.filter((entry) => !isFolder(entry))],
    left_out_count: Math.max(0, names.length - most),
  };
}

async function namesOf(place: Place): Promise<string[]> {
  if (place.kind !== "folder") throw mediaUnsupported("folder: expected a folder, got a file.");
  const names: string[] = [];
  for await (const { name } of await place.openFolder()) {
    if (!name.startsWith(".")) names.push(name);
    if (names.length >= FIXED_LIMITS.mediaRead.value) break;
  }
  return names;
}

/** Undefined for what `start_session` would refuse. */
async function entryOf(path: string, roots: readonly string[]): Promise<Entry | undefined> {
  const name = basename(path);
  try {
    return await usePlace({ path, name, roots }, async (place): Promise<Entry | undefined> => {
      if (place.kind === "folder")
        return { name, path, kind: "folder", bytes: null, has_pictures: await hasPictures(place) };
      const file: FileHandle = await place.openFile();
      try {
        const { buffer, bytesRead } = await file.read(new Uint8Array(SNIFFED_BYTES), 0, SNIFFED_BYTES, 0);
        const { kind } = sniffBytes(buffer.subarray(0, bytesRead));
        if (kind !== "video" && kind !== "image") return undefined;
        return { name, path, kind, bytes: (await file.stat()).size };
      } finally {
        await file.close();
      }
    });
  } catch {
    return undefined;
  }
}

async function hasPictures(place: Place): Promise<boolean> {
  let seen = 0;
  for await (const { name } of await place.openFolder()) {
    if (hasPictureName(name) && !name.startsWith(".")) return true;
    if (++seen >= NAMES_PER_FOLDER) return false;
  }
  return false;
}
