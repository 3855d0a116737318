/** Checks files before they are sent. */
import { countText } from "../app/count-text.js";

export interface GivenFile {
  readonly name: string;
  readonly size: number;
  /** MIME type; empty when the browser has none for the file. */
  readonly type: string;
}

export type Given =
  | { kind: "file"; name: string }
  | { kind: "pictures"; name: string }
  | { kind: "refused"; title: string; detail: string };

const VIDEO = /\.(mp4|m4v|mov|mkv|webm|avi|ts|mts|m2ts|mpg|mpeg|flv|ogv|y4m|3gp|wmv)$/i;
const ARCHIVE = /\.(zip|tar|tgz|tar\.gz)$/i;
const PICTURE = /\.(jpe?g|jpe|jfif|png|apng|webp|bmp|dib|tiff?|gif)$/i;

/** @param bytes such as 1_500_000 */
export function sizeText(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

const refused = (title: string, detail: string): Given => ({ kind: "refused", title, detail });

/** @param maxBytes the largest upload of the server; undefined: unknown */
export function checkFiles(files: readonly GivenFile[], maxBytes: number | undefined): Given {
  const [first, ...others] = files;
  if (!first)
    return refused("Nothing was dropped", "Drop a video, a folder of pictures, or an archive of pictures.");
  const total = files.reduce((sum, { size }) => sum + size, 0);
  if (maxBytes !== undefined && total > maxBytes) {
    return refused(
      `${sizeText(total)} is too large`,
      `This server accepts uploads of at most ${sizeText(maxBytes)}. Cut or compress the video, or put it into a media folder of the server.`,
    );
  }
  if (total === 0) return refused(`${first.name} is empty`, "Choose a file with content.");
  if (others.length === 0) {
    const { name, type } = first;
    if (VIDEO.test(name) || ARCHIVE.test(name) || PICTURE.test(name) || /^(video|image)\//.test(type))
      return { kind: "file", name };
    return refused(
      `${name} is not a video`,
      "Supported are videos such as MP4, MOV, MKV and WebM, pictures, and ZIP or TAR archives of pictures.",
    );
  }
  const pictures = files.filter(({ name, type }) => PICTURE.test(name) || type.startsWith("image/"));
  if (pictures.length > 0) return { kind: "pictures", name: countText(pictures.length, "picture") };
  if (files.some(({ name, type }) => VIDEO.test(name) || type.startsWith("video/"))) {
    return refused("Several videos at once", "Open them one after the other; each gets a tab.");
  }
  return refused(
    "The folder has no pictures",
    "A folder is opened as a video: each of its pictures is one frame.",
  );
}
