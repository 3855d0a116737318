/** What a format of exports provides. */
import type { z } from "zod";
import type { Channels } from "../media/timed-pictures.js";
import type { ExportCollection } from "./collection.js";
import type { ExportSource } from "./source.js";

/** How ffmpeg encodes the content of a file. */
export interface VideoEncoding {
  container: "mp4" | "webm" | "gif";
  width: number;
  height: number;
  /** Bytes of a pixel. */
  channels: Channels;
}

export interface ExportFile {
  /** With `/` between folders. */
  path: string;
  /**
   * Computed when it is read. With `encoding`, pictures with their times in the form of `server/media/timed-pictures.ts`.
   */
  content(): AsyncIterable<Uint8Array>;
  encoding?: VideoEncoding;
}

export interface ExportFormat<S extends z.ZodObject = z.ZodObject> {
  id: string;
  title: string;
  media: "text" | "pictures" | "video";
  /** `file`: exactly one file, which is the answer. `zip`: the answer is an archive. */
  packing: "file" | "zip";
  /** The pictures of the video are necessary. */
  needsPictures: boolean;
  /** From text, the values of a query. */
  options: S;
  /** Each file is read before the next one is requested, or not at all. */
  files(source: ExportSource, options: z.output<S>): AsyncIterable<ExportFile>;
  /** The file of several videos, for formats that have one. */
  collection?(collection: ExportCollection, options: z.output<S>): ExportFile;
}

/** Lets TypeScript infer the options of a format. */
export function defineFormat<S extends z.ZodObject>(format: ExportFormat<S>): ExportFormat<S> {
  return format;
}

const CHUNK_CHARACTERS = 64 * 1024;

/** Text as UTF-8, in chunks of about 64 KiB. */
export async function* textContent(
  pieces: AsyncIterable<string> | Iterable<string>,
): AsyncGenerator<Uint8Array> {
  let text = "";
  for await (const piece of pieces) {
    text += piece;
    if (text.length < CHUNK_CHARACTERS) continue;
    yield Buffer.from(text);
    text = "";
  }
  if (text !== "") yield Buffer.from(text);
}

/** A file of text. */
export function textFile(path: string, pieces: () => AsyncIterable<string> | Iterable<string>): ExportFile {
  return { path, content: () => textContent(pieces()) };
}

/** The elements of a JSON array, without its brackets. */
export async function* jsonElements(
  values: AsyncIterable<unknown> | Iterable<unknown>,
): AsyncGenerator<string> {
  let isFirst = true;
  for await (const value of values) {
    yield isFirst ? JSON.stringify(value) : `,\n${JSON.stringify(value)}`;
    isFirst = false;
  }
}
