/** The thread of one import, see `import-thread.ts`. */
import { parentPort, workerData } from "node:worker_threads";
import { createIteratorPort } from "../exports/iterator-port.js";
import type { Item } from "./annotation.js";
import { filesOf } from "./archive.js";
import { IMPORT_FORMATS } from "./formats.js";
import type { ImportStart } from "./import-thread.js";

const { formatId, bytes, video } = workerData as ImportStart;
const format = IMPORT_FORMATS.find(({ id }) => id === formatId);
if (!parentPort || !format) throw new Error(`no format ${formatId}`);

async function* items(): AsyncGenerator<Item> {
  yield* format?.read(await filesOf(bytes), video) ?? [];
}

createIteratorPort(parentPort, items, {
  toWire: (error) => (error instanceof Error ? error.message : String(error)),
  fromWire: (error) => new Error(String(error)),
});
