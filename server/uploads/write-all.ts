import type { FileHandle } from "node:fs/promises";

/** Writes a whole chunk at the file's position: one `write` may write less. */
export async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let offset = 0; offset < chunk.length; ) offset += (await file.write(chunk, offset)).bytesWritten;
}
