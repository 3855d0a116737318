import type { FileHandle } from "node:fs/promises";

/** Writes a whole chunk: one `write` may write less. Starts at `position`, or where the last write ended. */
export async function writeAll(file: FileHandle, chunk: Uint8Array, position?: number): Promise<void> {
  for (let done = 0; done < chunk.length; ) {
    const at = position === undefined ? null : position + done;
    done += (await file.write(chunk, done, chunk.length - done, at)).bytesWritten;
  }
}
