/** The videos of the page: those of the media roots, and uploads. Each has a path such as `gallery/dog.mp4`. */
import { basename } from "node:path";
import { ProtocolError } from "../../../protocol/index.js";
import type { Predictor } from "../../predictor.js";
import type { OwnerId } from "../../session-owner.js";
import type { ViewedMedia } from "../../view-media.js";

/** The page reads the samples of a file by itself, and of these containers only. */
const CONTAINERS = /\.(mp4|m4v|mov)$/i;
/** Videos that the gallery shows. Each is opened to find out its size. */
const MAX_VIDEOS = 24;
/** Sizes that are remembered. */
const MAX_SIZES = 256;

export interface VideoSize {
  width: number;
  height: number;
}

/** A video as the type Video of the schema. */
export interface Video extends VideoSize {
  id: string;
  path: string;
  posterPath: string;
  url: string;
  posterUrl: string;
}

/** What a path of the page names, as fields of `start_session`. */
export type MediaName = { resource_path: string } | { upload_id: string };

const GALLERY = "gallery/";
const UPLOADS = "uploads/";
const UPLOAD_SUFFIX = ".mp4";
const POSTERS = "posters/";

/** @throws ProtocolError invalid_field */
export function mediaNameOf(path: string): MediaName {
  if (path.startsWith(GALLERY) && path.length > GALLERY.length)
    return { resource_path: path.slice(GALLERY.length) };
  if (path.startsWith(UPLOADS) && path.endsWith(UPLOAD_SUFFIX))
    return { upload_id: path.slice(UPLOADS.length, -UPLOAD_SUFFIX.length) };
  const seen = JSON.stringify(path.slice(0, 200));
  const message = `path: expected the path of a video, such as gallery/NAME or uploads/ID.mp4, got ${seen}`;
  throw new ProtocolError("invalid_field", message, "path");
}

export const uploadPath = (uploadId: string) => UPLOADS + uploadId + UPLOAD_SUFFIX;

/** The path of a video, given the path of its poster. */
export const videoOfPoster = (path: string) => path.replace(/\.jpg$/, "");

const inAddress = (path: string) => path.split("/").map(encodeURIComponent).join("/");

/** @param base address of the adapter, without a slash at its end */
export function describeVideo(path: string, { width, height }: VideoSize, base: string): Video {
  const posterPath = `${POSTERS}${path}.jpg`;
  return {
    id: Buffer.from(`Video:${path}`).toString("base64"),
    ...{ path, posterPath, width, height },
    url: `${base}/${inAddress(path)}`,
    posterUrl: `${base}/${inAddress(posterPath)}`,
  };
}

export function createGallery({ listMedia, viewMedia }: Pick<Predictor, "listMedia" | "viewMedia">) {
  /** Null for files that cannot be opened. The least recently used first. */
  const sizes = new Map<string, VideoSize | null>();

  async function paths(): Promise<{ path: string; key: string }[]> {
    const { folder, entries } = await listMedia();
    // Several media roots are listed as folders.
    const folders = entries.filter(({ kind }) => kind === "folder" && folder === null);
    const lists = await Promise.all(folders.map(({ path }) => listMedia(path)));
    const found = [...entries, ...lists.flatMap((list) => list.entries)]
      .filter(({ kind, path }) => kind === "video" && CONTAINERS.test(path))
      .map(({ path, bytes }) => ({ path: GALLERY + basename(path), key: JSON.stringify([path, bytes]) }));
    // Of files with one name, a session opens that of the first media root.
    const first = new Map(found.reverse().map((one) => [one.path, one]));
    return [...first.values()].reverse().slice(0, MAX_VIDEOS);
  }

  async function measure(path: string, owner: OwnerId): Promise<VideoSize | null> {
    let media: ViewedMedia | undefined;
    try {
      media = await viewMedia(mediaNameOf(path), { owner });
      const { kind, width, height } = media.facts;
      return kind === "video" ? { width, height } : null;
    } catch (error) {
      // A busy server can open the file later.
      if (!(error instanceof ProtocolError) || error.retryable) throw error;
      return null;
    } finally {
      await media?.close();
    }
  }

  async function sizeOf(path: string, key: string, owner: OwnerId): Promise<VideoSize | null> {
    const known = sizes.get(key);
    const size = known === undefined ? await measure(path, owner) : known;
    sizes.delete(key);
    sizes.set(key, size);
    for (const oldest of sizes.keys()) {
      if (sizes.size <= MAX_SIZES) break;
      sizes.delete(oldest);
    }
    return size;
  }

  return {
    /** The videos of the media roots that can be opened, in natural order. */
    async *videos(owner: OwnerId, base: string): AsyncGenerator<Video, void, undefined> {
      for (const { path, key } of await paths()) {
        const size = await sizeOf(path, key, owner);
        if (size) yield describeVideo(path, size, base);
      }
    },
  };
}

export type Gallery = ReturnType<typeof createGallery>;
