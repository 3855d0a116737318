/** The files of an export as one stream: the file itself, or a zip archive. */
import { Readable } from "node:stream";
import { ZipFile } from "yazl";
import type { ExportFile, ExportFormat } from "./format.js";

export interface PackedExport {
  fileName: string;
  contentType: string;
  body: AsyncIterable<Uint8Array>;
}

const CONTENT_TYPES: Record<string, string> = {
  json: "application/json",
  csv: "text/csv; charset=utf-8",
  xml: "application/xml",
  mp4: "video/mp4",
  webm: "video/webm",
  gif: "image/gif",
  zip: "application/zip",
};

/** Contents that are compressed already. */
const COMPRESSED = /\.(png|mp4|webm|gif)$/;

/** Reads the bytes of a file: its content, or what ffmpeg makes of it. */
export type ReadFile = (file: ExportFile) => AsyncIterable<Uint8Array>;

/** Waits for the first file, so that errors come before the answer begins. */
export async function packExport(
  format: Pick<ExportFormat, "id" | "packing">,
  name: string,
  files: AsyncIterator<ExportFile>,
  read: ReadFile,
): Promise<PackedExport> {
  const first = await files.next();
  if (first.done) throw new Error(`the format ${format.id} has written no file`);
  if (format.packing === "file") {
    const { path } = first.value;
    const body = closing(read(first.value), files);
    return { fileName: path, contentType: contentType(path), body };
  }
  const fileName = `${name}.${format.id}.zip`;
  return { fileName, contentType: contentType(fileName), body: zip(first.value, files, read) };
}

async function* closing(
  content: AsyncIterable<Uint8Array>,
  files: AsyncIterator<ExportFile>,
): AsyncGenerator<Uint8Array> {
  try {
    yield* content;
  } finally {
    await files.return?.();
  }
}

/** One entry at a time, each when the one before is written: memory does not depend on the number or size of the files. */
async function* zip(
  first: ExportFile,
  files: AsyncIterator<ExportFile>,
  read: ReadFile,
): AsyncGenerator<Uint8Array> {
  const archive = new ZipFile();
  const output = archive.outputStream as Readable;
  archive.on("error", (error) => output.destroy(error as Error));
  const filling = (async () => {
    for (let file: ExportFile | undefined = first; file; ) {
      const content = Readable.from(read(file), { objectMode: false });
      const isRead = new Promise<void>((resolve, reject) => {
        content.once("end", resolve);
        content.once("error", reject);
        output.once("close", () => {
          content.destroy();
          resolve();
        });
      });
      archive.addReadStream(content, file.path, { compress: !COMPRESSED.test(file.path) });
      await isRead;
      output.removeAllListeners("close");
      if (output.destroyed) return;
      const next: IteratorResult<ExportFile> = await files.next();
      file = next.done ? undefined : next.value;
    }
    archive.end();
  })();
  filling.catch((error) => output.destroy(error as Error));
  try {
    for await (const chunk of output) yield chunk as Uint8Array;
    await filling;
  } finally {
    output.destroy();
    await files.return?.();
  }
}

function contentType(path: string): string {
  const extension = /\.(\w+)$/.exec(path)?.[1] ?? "";
  return CONTENT_TYPES[extension] ?? "application/octet-stream";
}
