/** Which files of a folder are frames, and in what order. */
import type { Dirent } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { ProtocolError } from "../../protocol/errors.js";
import { FIXED_LIMITS, MEDIA_LIMITS } from "../../protocol/limits.js";
import { mediaUnsupported } from "./errors.js";
import { withMediaFile } from "./media-file.js";
import { naturalOrder } from "./natural-order.js";
import { type Place, usePlace } from "./open-place.js";
import { isUnder } from "./resource.js";
import { describeKind, type MediaKind, SNIFFED_BYTES, sniffBytes } from "./sniff.js";
import type { LeftOut } from "./source.js";

/** A file that may contain a picture. */
export interface NamedFile {
  path: string;
  /** Determines its position, and identifies it in messages. */
  name: string;
}

export interface FolderListing {
  /** In natural order, links resolved. Their content is not read yet. */
  files: NamedFile[];
  /** Entries that cannot contain a frame, with the reason. */
  leftOut: LeftOutFile[];
  /** Real paths of the folders that must contain a file when it is read. */
  roots: readonly string[];
}

export type LeftOutFile = LeftOut["files"][number];

/** Extensions of pictures. An unreadable file with one of them counts as a damaged picture. */
const PICTURE_NAMES = new Set([
  ".jpg",
  ".jpeg",
  ".jpe",
  ".jfif",
  ".png",
  ".apng",
  ".webp",
  ".bmp",
  ".dib",
  ".tif",
  ".tiff",
  ".gif",
]);

export function hasPictureName(name: string): boolean {
  return PICTURE_NAMES.has(extname(name).toLowerCase());
}

/**
 * The files of a folder. Hidden files and sub-folders are left out. A link is followed only to a file under a media root;
 * otherwise it is left out, and throws `resource_forbidden` if it has the name of a picture. The error is the same
 * whether or not the target exists. Throws `media_unsupported` for more than `maxEntries`.
 *
 * @param mediaRoots real paths; without them no link is followed
 */
export async function listFolder(
  folder: Place,
  mediaRoots: readonly string[] | undefined,
  maxEntries: number,
): Promise<FolderListing> {
  const listing: FolderListing = { files: [], leftOut: [], roots: mediaRoots ?? [folder.realPath] };
  let entries = 0;
  for await (const entry of await folder.openFolder()) {
    if (++entries > maxEntries) throw mediaUnsupported(`The folder contains more than ${maxEntries} files.`);
    const { name } = entry;
    const path = join(folder.realPath, name);
    const isHidden = name.startsWith(".");
    const found = isHidden ? { reason: "a hidden file" } : await fileOf(entry, path, mediaRoots ?? []);
    if ("path" in found) listing.files.push({ path: found.path, name });
    else listing.leftOut.push({ name, reason: found.reason });
  }
  listing.files.sort((a, b) => naturalOrder(a.name, b.name));
  return listing;
}

async function fileOf(
  entry: Dirent,
  path: string,
  mediaRoots: readonly string[],
): Promise<{ path: string } | { reason: string }> {
  if (entry.isFile()) return { path };
  if (entry.isDirectory()) return { reason: "a folder" };
  if (!entry.isSymbolicLink()) return { reason: "a pipe, socket or device" };
  const real = await realpath(path).catch(() => null);
  const allowed = real !== null && mediaRoots.some((root) => isUnder(real, root));
  if (allowed && (await stat(real)).isFile()) return { path: real };
  const reason = "a link to something that is not a file under a media root";
  if (hasPictureName(path)) throw new ProtocolError("resource_forbidden", `${basename(path)} is ${reason}.`);
  return { reason };
}

/** The frames of a folder in order, damaged ones included. Links are followed to files in the folder. */
export async function listFrames(folder: string): Promise<NamedFile[]> {
  const location = { path: folder, name: folder, roots: undefined };
  const { files, roots } = await usePlace(location, (place) =>
    listFolder(place, [place.realPath], MEDIA_LIMITS.maxFrames.value),
  );
  const frames: NamedFile[] = [];
  for (const file of files) {
    const head = await withMediaFile({ ...file, roots }, (opened) => opened.read(0, SNIFFED_BYTES));
    if (typeof roleOf(sniffBytes(head), file.name, head.length === 0) === "string") frames.push(file);
  }
  return frames;
}

/** What the content of a file is for a folder of frames. */
export function roleOf(
  kind: MediaKind,
  name: string,
  isEmpty: boolean,
): "picture" | "damaged" | { reason: string } {
  if (kind.kind === "image") return "picture";
  const isUnreadable = isEmpty || (kind.kind === "unknown" && !kind.isKnown);
  if (isUnreadable && hasPictureName(name)) return "damaged";
  return { reason: isEmpty ? "an empty file" : describeKind(kind) };
}

/** The list of an answer: bounded, in natural order. */
export function summarizeLeftOut(files: LeftOutFile[]): LeftOut {
  const sorted = files.sort((a, b) => naturalOrder(a.name, b.name));
  return { count: files.length, files: sorted.slice(0, FIXED_LIMITS.leftOutListed.value) };
}

/** The files that were found instead of pictures, for a message. */
export function describeLeftOut({ count, files }: LeftOut): string {
  const examples = files.slice(0, 3).map(({ name, reason }) => `${JSON.stringify(name)} (${reason})`);
  const more = count > examples.length ? ` and ${count - examples.length} more` : "";
  return count === 0 ? "it contains no files" : `found ${examples.join(", ")}${more}`;
}
