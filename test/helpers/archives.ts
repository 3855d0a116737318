import { buffer } from "node:stream/consumers";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import type { Header } from "tar-stream";
import { pack } from "tar-stream";
import yauzl from "yauzl";
import { ZipFile } from "yazl";

export type Files = Record<string, Uint8Array | string>;

/** A ZIP archive. `modes` has the Unix modes of entries that are not regular files. */
export async function makeZip(
  files: Files,
  { compress = true, modes = {} }: { compress?: boolean; modes?: Record<string, number> } = {},
): Promise<Buffer> {
  const zip = new ZipFile();
  for (const [name, content] of Object.entries(files)) {
    zip.addBuffer(Buffer.from(content), name, { compress, mode: modes[name] ?? 0o100644 });
  }
  zip.end();
  return buffer(zip.outputStream as AsyncIterable<Buffer>);
}

/** A ZIP archive with `from` replaced by the equally long `to` in its names: yazl refuses names that lead outside. */
export async function makeZipRenamed(files: Files, from: string, to: string): Promise<Buffer> {
  if (from.length !== to.length) throw new RangeError("names of different length");
  const bytes = await makeZip(files);
  for (let at = bytes.indexOf(from); at >= 0; at = bytes.indexOf(from, at + to.length)) bytes.write(to, at);
  return bytes;
}

export async function makeTar(
  entries: [Partial<Header> & { name: string }, (Uint8Array | string)?][],
): Promise<Buffer> {
  const tar = pack();
  const bytes = buffer(tar as AsyncIterable<Buffer>);
  for (const [headers, content = ""] of entries) tar.entry(headers, Buffer.from(content));
  tar.finalize();
  return bytes;
}

export async function makeTarGz(files: Files): Promise<Buffer> {
  return gzipSync(await makeTar(Object.entries(files).map(([name, content]) => [{ name }, content])));
}

/** The files of a ZIP archive by name, in the order of the archive. */
export async function unzip(bytes: Buffer): Promise<Map<string, Buffer>> {
  const archive = await promisify<Buffer, yauzl.Options, yauzl.ZipFile>(yauzl.fromBuffer)(bytes, {
    lazyEntries: true,
  });
  const files = new Map<string, Buffer>();
  return new Promise((resolve, reject) => {
    archive.on("error", reject);
    archive.on("end", () => resolve(files));
    archive.on("entry", (entry: yauzl.Entry) => {
      archive.openReadStream(entry, (error, stream) => {
        if (error) return reject(error);
        buffer(stream)
          .then((content) => {
            files.set(entry.fileName, content);
            archive.readEntry();
          })
          .catch(reject);
      });
    });
    archive.readEntry();
  });
}
