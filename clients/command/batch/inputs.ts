/** The clips and pictures of a folder, in a stable order. */
import { createHash } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { hasPictureName, naturalOrder, readHead, SNIFFED_BYTES, sniffBytes } from "../media.js";
import type { PicturesAs } from "./job.js";

export interface BatchInput {
  /** Relative to the folder, with `/`; the folder itself is `.`. */
  path: string;
  /** `frames`: a folder whose pictures are the frames of one clip. */
  kind: "video" | "picture" | "frames";
  bytes: number;
  /** Changes when the content does: sizes and times of the files. */
  fingerprint: string;
}

export interface Inputs {
  /** In natural order of their paths. */
  inputs: BatchInput[];
  /** Files that are neither a video nor a picture. */
  leftOut: number;
}

export interface ListOptions {
  isRecursive: boolean;
  picturesAs: PicturesAs;
  /** Absolute path of a folder that is not listed. */
  except: string;
}

/**
 * Hidden files and folders are left out. A file with the name of a video or a picture is an input also when its content is damaged,
 * so that it is reported. Links to folders are not followed.
 */
export async function listInputs(folder: string, options: ListOptions): Promise<Inputs> {
  const found: Inputs = { inputs: [], leftOut: 0 };
  await walk(folder, "", options, found);
  found.inputs.sort((a, b) => naturalOrder(a.path, b.path));
  return found;
}

interface Named {
  path: string;
  name: string;
  bytes: number;
  mtimeMs: number;
}

async function walk(folder: string, inside: string, options: ListOptions, found: Inputs): Promise<void> {
  const pictures: Named[] = [];
  for (const entry of await readdir(join(folder, inside), { withFileTypes: true })) {
    const { name } = entry;
    if (name.startsWith(".")) continue;
    const path = inside === "" ? name : `${inside}/${name}`;
    if (entry.isDirectory()) {
      const isListed = options.isRecursive && join(folder, path) !== options.except;
      if (isListed) await walk(folder, path, options, found);
      continue;
    }
    const facts = await stat(join(folder, path)).catch(() => undefined);
    const kind = facts?.isFile() ? await kindOf(join(folder, path), name) : undefined;
    if (!facts || kind === undefined) {
      found.leftOut++;
      continue;
    }
    const file = { path, name, bytes: facts.size, mtimeMs: facts.mtimeMs };
    if (kind === "picture") pictures.push(file);
    else found.inputs.push(inputOf(file, kind));
  }
  if (pictures.length > 1 && isClip(pictures, options.picturesAs)) {
    found.inputs.push(clipOf(inside === "" ? "." : inside, pictures));
  } else found.inputs.push(...pictures.map((file) => inputOf(file, "picture")));
}

function isClip(pictures: readonly Named[], as: PicturesAs): boolean {
  if (as !== "numbered") return as === "clip";
  // `frame_0001.jpg` and `frame_0002.jpg` differ only by their last number.
  const forms = new Set(pictures.map(({ name }) => name.replace(/\d+(?=\D*$)/, "#")));
  return forms.size === 1 && [...forms].every((form) => form.includes("#"));
}

function inputOf({ path, bytes, mtimeMs }: Named, kind: "video" | "picture"): BatchInput {
  return { path, kind, bytes, fingerprint: `${bytes} ${mtimeMs}` };
}

function clipOf(path: string, pictures: readonly Named[]): BatchInput {
  const hash = createHash("sha256");
  let total = 0;
  for (const { name, bytes, mtimeMs } of [...pictures].sort((a, b) => naturalOrder(a.name, b.name))) {
    hash.update(JSON.stringify([name, bytes, mtimeMs]));
    total += bytes;
  }
  return { path, kind: "frames", bytes: total, fingerprint: hash.digest("hex") };
}

const VIDEO_NAMES = /\.(mp4|m4v|mov|3gp|mkv|webm|avi|ts|mts|m2ts|mpg|mpeg|vob|flv|ogv|ogg|y4m)$/i;

/** By the content of a file, or else by its name. Undefined for other files. */
export async function kindOf(path: string, name: string): Promise<"video" | "picture" | undefined> {
  const head = await readHead(path, SNIFFED_BYTES).catch(() => new Uint8Array());
  const { kind } = sniffBytes(head);
  if (kind === "image") return "picture";
  if (kind === "video") return "video";
  if (hasPictureName(name)) return "picture";
  return VIDEO_NAMES.test(name) ? "video" : undefined;
}
