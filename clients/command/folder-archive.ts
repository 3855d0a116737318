/** A folder of pictures as one tar archive that is never written to disk: any part of it can be read at any time. */
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { Readable } from "node:stream";
import { pack } from "tar-stream";
import type { SlicedSource } from "../typescript/index.js";

const BLOCK_BYTES = 512;

/** A piece of the archive: bytes in memory, or a file. */
interface Piece {
  start: number;
  end: number;
  content: Buffer | { path: string };
}

/**
 * The archive of these files under their names. Files that change while they are sent damage the archive.
 *
 * @param names of files in `folder`
 */
export async function openFolderArchive(
  files: readonly { path: string; name: string }[],
): Promise<SlicedSource & { size: number }> {
  const pieces: Piece[] = [];
  let size = 0;
  const add = (content: Piece["content"], bytes: number) => {
    if (bytes > 0) pieces.push({ start: size, end: size + bytes, content });
    size += bytes;
  };
  for (const { path, name } of files) {
    const { size: bytes } = await stat(path);
    const header = await headerOf(name, bytes);
    add(header, header.length);
    add({ path }, bytes);
    const padding = (BLOCK_BYTES - (bytes % BLOCK_BYTES)) % BLOCK_BYTES;
    add(Buffer.alloc(padding), padding);
  }
  add(Buffer.alloc(2 * BLOCK_BYTES), 2 * BLOCK_BYTES);
  return {
    size,
    slice(start, end) {
      const bytes = Readable.from(readPieces(pieces, start, end), { objectMode: false });
      return Object.assign(bytes, { size: end - start });
    },
  };
}

/** The header blocks of an entry: more than one for long names. */
async function headerOf(name: string, size: number): Promise<Buffer> {
  const tar = pack();
  // Without content and end, the header is all that can be read.
  tar.entry({ name, size, mtime: new Date(0) });
  await once(tar, "readable");
  const chunks: Buffer[] = [];
  for (let chunk: unknown = tar.read(); chunk !== null; chunk = tar.read()) chunks.push(chunk as Buffer);
  tar.on("error", () => {});
  tar.destroy();
  return Buffer.concat(chunks);
}

async function* readPieces(pieces: Piece[], start: number, end: number): AsyncGenerator<Buffer> {
  for (const { start: from, end: to, content } of pieces) {
    if (to <= start || from >= end) continue;
    const first = Math.max(start, from) - from;
    const last = Math.min(end, to) - from;
    if (Buffer.isBuffer(content)) yield content.subarray(first, last);
    else yield* createReadStream(content.path, { start: first, end: last - 1 }) as AsyncIterable<Buffer>;
  }
}
