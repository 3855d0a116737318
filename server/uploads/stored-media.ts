/** The media of an upload on disk. */
import { realpath, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { readFailure } from "../media/errors.js";
import { openFrameFiles } from "../media/frames.js";
import { DEFAULT_MEDIA_LIMITS } from "../media/limits.js";
import { withMediaFile } from "../media/media-file.js";
import { openMedia } from "../media/open.js";
import type { MediaSource, OpenMediaOptions } from "../media/source.js";
import type { LeftOutFile } from "../media/still-folder.js";

/** `file`: one video or picture. `frames`: pictures in a folder, with a {@link FrameList}. */
export type StoredMedia = { kind: "file"; path: string } | { kind: "frames"; folder: string };

/** The pictures of a folder in frame order. It is kept on disk, because an upload can have many names. */
export interface FrameList {
  files: { file: string; name: string }[];
  leftOut: LeftOutFile[];
}

/** Name of the file with the {@link FrameList}. */
export const LIST_NAME = "frames.json";

export async function writeFrameList(folder: string, list: FrameList): Promise<void> {
  await writeFile(join(folder, LIST_NAME), JSON.stringify(list), { flag: "wx", mode: 0o600 });
}

/** Opens the media of an upload. Throws the errors of `openMedia`. */
export async function openStoredMedia(media: StoredMedia, options: OpenMediaOptions): Promise<MediaSource> {
  try {
    // The folder is private. Its files are opened with the check of other media all the same.
    const folder = await realpath(media.kind === "file" ? dirname(media.path) : media.folder);
    const roots = [folder];
    if (media.kind === "file") return await openMedia(media.path, { ...options, mediaRoots: roots });
    const location = { path: join(folder, LIST_NAME), name: "The upload", roots };
    const list = await withMediaFile(location, (file) => file.readAll());
    const { files, leftOut } = JSON.parse(list.toString("utf8")) as FrameList;
    const named = files.map(({ file, name }) => ({ path: join(folder, file), name }));
    const limits = { ...DEFAULT_MEDIA_LIMITS, ...options.limits };
    return await openFrameFiles({ files: named, leftOut, roots }, "upload", limits, options);
  } catch (error) {
    throw readFailure(error, "The upload");
  }
}
