/** Reads a file of annotations in a thread of its own: large files take time that the thread of the sockets does not have. */
import { startThread } from "../child-programs.js";
import { createIteratorPort } from "../exports/iterator-port.js";
import { ImportError, type ImportVideo, type Item } from "./annotation.js";

/** The thread's `workerData`. */
export interface ImportStart {
  formatId: string;
  bytes: Uint8Array;
  video: ImportVideo;
}

export interface ImportThread {
  /** @throws ImportError */
  items(): AsyncIterableIterator<Item>;
  close(): Promise<void>;
}

/** Memory of the thread, in MiB. */
const MAX_HEAP_MIB = 1024;

export function startImportThread(start: ImportStart): ImportThread {
  const worker = startThread("./import-thread-main", import.meta.url, {
    workerData: start,
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MIB },
  });
  const nothing = () => {
    throw new Error("an import reads nothing from this side");
  };
  const port = createIteratorPort(worker, nothing, {
    toWire: String,
    fromWire: (error) => new ImportError(String(error)),
  });
  worker.once("error", (error: NodeJS.ErrnoException) =>
    port.fail(
      error.code === "ERR_WORKER_OUT_OF_MEMORY" ? new ImportError("the file needs too much memory") : error,
    ),
  );
  worker.once("exit", () => port.fail(new Error("the thread of the import has ended")));
  return {
    items: () => port.remote<Item>("items"),
    async close() {
      await worker.terminate();
    },
  };
}
