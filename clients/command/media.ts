/** The part of the server that the command uses for itself: reading pictures, so that both number them alike. */
import { openMedia } from "../../server/media/open.js";
import type { MediaSource } from "../../server/media/source.js";
import type { VideoPath } from "./track-files.js";

export { ffmpegPath } from "../../server/media/binaries.js";
export type Video = MediaSource;

export async function openVideo({ path }: VideoPath, signal?: AbortSignal): Promise<Video> {
  return openMedia(path, { mediaRoots: [path], ...(signal && { signal }) });
}
