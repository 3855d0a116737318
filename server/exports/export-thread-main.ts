/** The thread of one export, see `export-thread.ts`. */
import { parentPort, workerData } from "node:worker_threads";
import type { ListedFile, ThreadStart } from "./export-thread.js";
import type { ExportFile } from "./format.js";
import { findFormat } from "./formats.js";
import { createIteratorPort } from "./iterator-port.js";
import type { ExportFrame, ExportPicture, ExportSource } from "./source.js";

const { formatId, options, facts, objects, hasPictures } = workerData as ThreadStart;
const format = findFormat(formatId);
if (!parentPort || !format) throw new Error(`no format ${formatId}`);

let current: ExportFile | undefined;

const port = createIteratorPort(parentPort, (name) => (name === "files" ? files() : content()), {
  toWire: (error) => error,
  fromWire: (error) => new Error(String(error)),
});

const source: ExportSource = {
  facts,
  objects,
  frames: () => port.remote<ExportFrame>("frames"),
  ...(hasPictures && { pictures: () => port.remote<ExportPicture>("pictures") }),
};

async function* files(): AsyncGenerator<ListedFile> {
  for await (const file of format?.files(source, options as never) ?? []) {
    current = file;
    yield { path: file.path, ...(file.encoding && { encoding: file.encoding }) };
  }
}

function content(): AsyncIterable<Uint8Array> {
  if (!current) throw new Error("no file is open");
  return current.content();
}
