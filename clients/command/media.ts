/** The command reads pictures with the server's code, so that both number the frames alike. */
import { realpath } from "node:fs/promises";
import { openMedia } from "../../server/media/open.js";
import type { MediaSource } from "../../server/media/source.js";
import type { VideoPath } from "./track-files.js";

export { ffmpegPath } from "../../server/media/binaries.js";
export { naturalOrder } from "../../server/media/natural-order.js";
export { readHead, SNIFFED_BYTES, sniffBytes } from "../../server/media/sniff.js";
export { hasPictureName, listFrames } from "../../server/media/still-folder.js";
export { passthroughOptions } from "../../server/media/tool-facts.js";
export type Video = MediaSource;

export async function openVideo({ path }: VideoPath, signal?: AbortSignal): Promise<Video> {
  return openMedia(path, { mediaRoots: [await realpath(path).catch(() => path)], ...(signal && { signal }) });
}
