import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { extract } from "tar-stream";
import { ProtocolError } from "../../protocol/errors.js";
import { isExhaustion, mediaUnreadable } from "../media/errors.js";
import { normalizeName } from "./entry-names.js";
import { counted } from "./expansion.js";
import type { UnpackOptions } from "./zip.js";

/** Types of entries that are not files, for `left_out`. */
const TYPES: Record<string, string> = {
  symlink: "a link",
  link: "a link",
  "character-device": "a device",
  "block-device": "a device",
  fifo: "a pipe",
};

/**
 * Passes the files of a tar archive, plain or compressed by gzip, to the collector.
 *
 * Throws `media_unreadable` for a damaged archive and for gzip data that contains no tar archive, and the collector's errors.
 */
export async function unpackTar(
  path: string,
  format: "tar" | "gzip",
  { collector, count, signal }: UnpackOptions,
): Promise<void> {
  const file = createReadStream(path, { signal });
  const gunzip = format === "gzip" ? createGunzip() : undefined;
  if (gunzip) {
    file.on("error", (error) => gunzip.destroy(error));
    file.pipe(gunzip);
  }
  const source = Readable.from(counted(gunzip ?? file, count), { objectMode: false });
  const tar = extract();
  source.on("error", (error) => tar.destroy(error));
  source.pipe(tar);
  try {
    for await (const entry of tar) {
      collector.count();
      const { name, type } = entry.header;
      if (type === "file" || type === "contiguous-file")
        await collector.add(name, entry as AsyncIterable<Uint8Array>);
      else if (type !== "directory") {
        collector.leaveOut(normalizeName(name), TYPES[type ?? ""] ?? "an entry of an unknown type");
      }
      entry.resume();
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ProtocolError || isExhaustion(error)) throw error;
    const problem =
      format === "gzip"
        ? "The gzip data is damaged or cut short, or contains no tar archive."
        : "The tar archive is damaged or cut short.";
    throw mediaUnreadable(problem, error);
  } finally {
    source.destroy();
    gunzip?.destroy();
    file.destroy();
  }
}
