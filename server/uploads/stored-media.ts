/** The media of an upload on disk. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readFailure } from "../media/errors.js";
import { openFrameFiles } from "../media/frames.js";
import { DEFAULT_MEDIA_LIMITS } from "../media/limits.js";
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

const LIST_NAME = "frames.json";

export async function writeFrameList(folder: string, list: FrameList): Promise<void> {
  await writeFile(join(folder, LIST_NAME), JSON.stringify(list), { flag: "wx", mode: 0o600 });
}

/** Opens the media of an upload. Throws the errors of `openMedia`. */
export async function openStoredMedia(media: StoredMedia, options: OpenMediaOptions): Promise<MediaSource> {
  if (media.kind === "file") return openMedia(media.path, options);
  const { folder } = media;
  try {
    const list = JSON.parse(await readFile(join(folder, LIST_NAME), "utf8")) as FrameList;
    const files = list.files.map(({ file, name }) => ({ path: join(folder, file), name }));
    const limits = { ...DEFAULT_MEDIA_LIMITS, ...options.limits };
    return await openFrameFiles({ files, leftOut: list.leftOut }, "upload", limits, options);
  } catch (error) {
    throw readFailure(error, "The upload");
  }
}
