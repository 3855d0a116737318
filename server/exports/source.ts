/** What an export reads: the masks of a video by frame, and its pictures. */
import type { CocoRle } from "../../protocol/index.js";

/** A mask of one object on one frame; never empty. */
export interface ExportMask {
  objectId: number;
  /** Confidence, 0..1. */
  score: number;
  /** At the size of the video. */
  mask: CocoRle;
}

export interface ExportFrame {
  /** From 0 in display order, see PROTOCOL.md. */
  frameIndex: number;
  /** Null for pictures. */
  timestampUs: number | null;
  /** By ascending id. */
  masks: readonly ExportMask[];
  /** Objects without a mask whose state is `occluded`. */
  occludedIds: readonly number[];
}

export interface ExportObject {
  objectId: number;
  /** For display. */
  name: string;
  /** The name of its concept, or its own name, or `object`. */
  category: string;
}

export interface ExportPicture {
  frameIndex: number;
  /** `[height, width, 3]` uint8, red green blue. Must not be written to. */
  rgb: Uint8Array;
}

export interface ExportFacts {
  /** Of the video, without extension; a valid name of a file. */
  name: string;
  /** Of the video with its extension. */
  fileName: string;
  width: number;
  height: number;
  /** In the whole video. */
  numFrames: number;
  /** Average; null for pictures. */
  fps: number | null;
  /** The source is one picture and not a video. */
  isPicture?: boolean;
}

export interface ExportSource {
  readonly facts: ExportFacts;
  /** The selected objects, by ascending id. */
  readonly objects: readonly ExportObject[];
  /** The selected frames that have a result, ascending; also those without a mask. May be called several times. */
  frames(): AsyncIterable<ExportFrame>;
  /** The file of a frame, where frames are files. */
  frameFile?(frameIndex: number): string;
  /** The pictures of the same frames, at the size of the video. Absent: the video is not available. */
  pictures?(): AsyncIterable<ExportPicture>;
}

/** Frames a second of videos without a rate, such as folders of pictures. */
export const STILLS_FPS = 30;

/** The name of a file as part of paths in archives: without extension, folders and control characters. */
export function safeName(fileName: string): string {
  const base = fileName.replace(/^.*[\\/]/, "").replace(/\.[A-Za-z0-9]{1,5}$/, "");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
  const safe = base.replace(/[\u0000-\u001f\u007f<>:"|?*\\/]/g, "_").replace(/^\.+|[. ]+$/g, "");
  return safe.slice(0, 100) || "video";
}

/** The categories of the objects in the order of the objects, each with a number from 1. */
export function categoriesOf(objects: readonly ExportObject[]): Map<string, number> {
  const categories = new Map<string, number>();
  for (const { category } of objects)
    if (!categories.has(category)) categories.set(category, categories.size + 1);
  return categories;
}

/** The category number of each object; see {@link categoriesOf}. */
export function categoryIds(objects: readonly ExportObject[]): Map<number, number> {
  const categories = categoriesOf(objects);
  return new Map(objects.map(({ objectId, category }) => [objectId, categories.get(category) as number]));
}

/** The name of the picture of a frame, with the folder of its video. */
export function pictureName({ facts, frameFile }: ExportSource, frameIndex: number): string {
  return frameFile?.(frameIndex) ?? `${facts.name}/${frameName(frameIndex)}.jpg`;
}

/** `00012`: the number of a frame in the names of files. */
export function frameName(frameIndex: number, digits = 5): string {
  return String(frameIndex).padStart(digits, "0");
}
