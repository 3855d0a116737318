/** What files of annotations contain, in the numbers and units of a session. */
import type { CocoRle, PixelBox } from "../../protocol/index.js";

/** One object on one frame. */
export interface Annotation {
  frameIndex: number;
  /** Identity inside the file. Annotations with the same one belong to one object. */
  track: string;
  /** The id of the object, when the file states one. */
  objectId?: number;
  category?: string;
  /** Size of the picture that the annotation was made on; absent where the file does not state it. */
  size?: { width: number; height: number };
  mask?: CocoRle;
  /** Left, top, width and height in pixels. */
  box?: PixelBox;
}

/** An annotation that cannot be used, and why. */
export interface Skipped {
  skipped: string;
  /** Where in the file. */
  where: string;
}

/** The video that a file was made for, as far as the file states it. */
export interface FileVideo {
  madeFor: { numFrames?: number; fps?: number };
}

export type Item = Annotation | Skipped | FileVideo;

/** The video of the session. */
export interface ImportVideo {
  width: number;
  height: number;
  numFrames: number;
  /** Average; null for pictures. */
  fps: number | null;
}

/** The file cannot be read as its format. The message is a sentence without a full stop. */
export class ImportError extends Error {
  override readonly name = "ImportError";
}

export interface ImportFormat {
  id: string;
  title: string;
  /** Of its files, such as `.json`. An import is one such file or a ZIP archive of them. */
  extensions: readonly string[];
  /** `boxes`: the format has no masks, so that its frames cannot be locked. */
  content: "masks" | "boxes";
  /** @throws ImportError for a file that is not of the format */
  read(files: ReadonlyMap<string, Uint8Array>, video: ImportVideo): Iterable<Item>;
}

export function isSkipped(item: Item): item is Skipped {
  return "skipped" in item;
}

export function isFileVideo(item: Item): item is FileVideo {
  return "madeFor" in item;
}

/** The text of the only file, or of the first whose name matches. */
export function textOf(files: ReadonlyMap<string, Uint8Array>, pattern?: RegExp): string {
  const named = pattern && [...files].find(([name]) => pattern.test(name))?.[1];
  const bytes = named ?? (files.size === 1 ? [...files.values()][0] : undefined);
  if (!bytes)
    throw new ImportError(
      `expected a file like ${pattern}, found ${[...files.keys()].slice(0, 5).join(", ")}`,
    );
  return new TextDecoder().decode(bytes);
}

/** @throws ImportError for text that is not JSON or has another shape */
export function jsonOf<T>(
  text: string,
  schema: { safeParse(value: unknown): ParseResult<T> },
  where = "the file",
): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ImportError(`${where}: expected JSON; ${jsonProblem(text, cause as Error)}`, { cause });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new ImportError(`${where}: ${issue?.path.join(".") || "the root"}: ${issue?.message}`);
}

/** A text that ends too early fails at its end. */
function jsonProblem(text: string, { message }: Error): string {
  const position = /position (\d+)/.exec(message)?.[1];
  if (text.trim() === "") return "the file is empty";
  const isCut = /end of JSON|Unterminated/.test(message) || Number(position ?? 0) >= text.trimEnd().length;
  return isCut
    ? `it ends before it is complete, after ${text.length} characters: copy or export the file again`
    : message.slice(0, 200);
}

type ParseResult<T> =
  | { success: true; data: T }
  | { success: false; error: { issues: readonly { path: readonly PropertyKey[]; message: string }[] } };

/** The last number in the name of a picture: its frame. Undefined without one. */
export function frameOfName(name: string): number | undefined {
  const digits = /(\d+)\D*$/.exec(name.replace(/\.\w+$/, ""))?.[1];
  return digits === undefined ? undefined : Number(digits);
}
