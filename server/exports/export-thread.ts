/**
 * Writes an export in a thread of its own: outlines, JSON and drawn pictures take time that the thread of the sockets does not
 * have. The thread pulls frames and pictures from here, and this side pulls files and their chunks from it.
 */
import { startThread } from "../child-programs.js";
import type { ExportFile, ExportFormat } from "./format.js";
import { createIteratorPort } from "./iterator-port.js";
import type { ExportFacts, ExportObject, ExportSource } from "./source.js";

/** The thread's `workerData`. */
export interface ThreadStart {
  formatId: string;
  options: Record<string, unknown>;
  facts: ExportFacts;
  objects: readonly ExportObject[];
  hasPictures: boolean;
}

export type ListedFile = Pick<ExportFile, "path" | "encoding">;

export interface ExportThread {
  /** As {@link ExportFormat.files}. The content of a file must be read before the next file is requested. */
  files(): AsyncIterableIterator<ExportFile>;
  /** Ends the thread; work in progress rejects. */
  close(): Promise<void>;
}

export function startExportThread(
  format: Pick<ExportFormat, "id">,
  options: Record<string, unknown>,
  source: ExportSource,
): ExportThread {
  const { facts, objects } = source;
  const start: ThreadStart = {
    ...{ formatId: format.id, options, facts, objects },
    hasPictures: source.pictures !== undefined,
  };
  const worker = startThread("./export-thread-main", import.meta.url, { workerData: start });
  /** An error of the source passes through the thread and reaches the reader unchanged. */
  let sourceError: Error | undefined;
  const serve = (name: string) =>
    name === "pictures" && source.pictures ? source.pictures() : source.frames();
  const port = createIteratorPort(worker, serve, {
    toWire(error) {
      sourceError ??= error as Error;
      return error instanceof Error ? error.message : String(error);
    },
    fromWire: (error) => sourceError ?? (error as Error),
  });
  worker.once("error", (error) => port.fail(error as Error));
  worker.once("exit", () => port.fail(new Error("the thread of the export has ended")));
  return {
    async *files() {
      for await (const { path, encoding } of port.remote<ListedFile>("files")) {
        yield { path, content: () => port.remote<Uint8Array>("content"), ...(encoding && { encoding }) };
      }
    },
    async close() {
      await worker.terminate();
    },
  };
}
