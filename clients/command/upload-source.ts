import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { SlicedSource } from "../typescript/index.js";
import { CommandError } from "./errors.js";
import { openFolderArchive } from "./folder-archive.js";
import { listFrames } from "./media.js";
import type { VideoPath } from "./track-files.js";

/** What is sent for a file or a folder: the file itself, or an archive of the folder's pictures. */
export async function openUploadSource({ path, isFolder }: VideoPath): Promise<SlicedSource> {
  if (isFolder) {
    const frames = await listFrames(path);
    if (frames.length === 0)
      throw new CommandError(`${path} cannot be sent: the folder contains no pictures.`);
    return openFolderArchive(frames);
  }
  const { size } = await stat(path);
  return {
    size,
    slice: (start, end) =>
      Object.assign(createReadStream(path, { start, end: Math.max(start, end - 1) }), { size: end - start }),
  };
}
