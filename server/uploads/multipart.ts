/** Bodies of `multipart/form-data`, as browsers and `curl --form` send them. */
import { Busboy, type BusboyFileStream, type BusboyInstance } from "@fastify/busboy";
import { ProtocolError } from "../../protocol/errors.js";
import { systemErrorCode } from "../media/errors.js";
import type { Collector } from "./collect.js";

/** Receives a field of a form that is not a file, cut to 1024 bytes. */
export type OnField = (name: string, value: string) => void;

/** Bounds of what the parser buffers: fields that are not files hold little, and headers little but names. */
const PARSER_LIMITS = { fieldSize: 1024, headerPairs: 100, headerSize: 16 * 1024 };

/** Bytes before the first part. Forms have none; the parser would search any number of them for a boundary. */
const MAX_PREAMBLE_BYTES = 64 * 1024;

/** True for a body that {@link readForm} reads. */
export function isForm(contentType: string | undefined): boolean {
  return /^multipart\/form-data\b/i.test(contentType ?? "");
}

/**
 * Passes the files of a form to the collector, one after the other, and its other fields to `onField`.
 *
 * Throws `invalid_field` for a body that is not a form, and the collector's errors.
 */
export async function readForm(
  body: AsyncIterable<Uint8Array>,
  contentType: string,
  collector: Collector,
  onField: OnField = () => {},
): Promise<void> {
  const form = openForm(contentType);
  const files = new Set<BusboyFileStream>();
  // One chunk can contain several small files. All but the last are complete and wait in this chain.
  let complete: Promise<void> = Promise.resolve();
  let all: Promise<void> = Promise.resolve();
  let tooMany: unknown;
  let hasParts = false;
  let preambleBytes = 0;

  function count(): void {
    hasParts = true;
    try {
      collector.count();
    } catch (error) {
      tooMany ??= error;
    }
  }
  form.on("field", (name, value) => {
    count();
    onField(name, value);
  });
  form.on("file", (_field, file, name) => {
    count();
    files.add(file);
    file.once("close", () => files.delete(file));
    complete = all;
    all = complete.then(() => addFile(collector, name ?? "", file));
    all.catch(() => {});
  });
  const finished = new Promise<void>((resolve, reject) => {
    form.once("finish", resolve);
    form.on("error", (cause) => reject(badForm("it is damaged or cut short", cause)));
  });
  finished.catch(() => {});

  try {
    for await (const chunk of body) {
      const drained = form.write(chunk)
        ? undefined
        : new Promise<void>((resolve) => form.once("drain", resolve));
      if (tooMany !== undefined) throw tooMany;
      if (!hasParts) {
        preambleBytes += chunk.length;
        if (preambleBytes > MAX_PREAMBLE_BYTES) {
          throw badForm(`its first ${MAX_PREAMBLE_BYTES} bytes do not contain its boundary`, undefined);
        }
      }
      await complete;
      if (drained) await Promise.race([drained, finished, rejectionOf(all)]);
    }
    form.end();
    await Promise.race([finished, rejectionOf(all)]);
    if (tooMany !== undefined) throw tooMany;
    await all;
  } finally {
    form.destroy();
    for (const file of files) file.destroy();
    await all.catch(() => {});
  }
}

/** Passes a file to the collector, and discards the rest of a file that is not wanted: unread, it would block the form. */
async function addFile(collector: Collector, name: string, file: BusboyFileStream): Promise<void> {
  // One iterator for both: a stream with an iterator that is neither closed nor read does not flow.
  const chunks = file[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  try {
    await collector.add(name, { [Symbol.asyncIterator]: () => chunks });
    while (!(await chunks.next()).done);
  } catch (error) {
    throw badFile(error);
  }
}

/** Rejects when `promise` rejects; never resolves. */
function rejectionOf(promise: Promise<void>): Promise<never> {
  return promise.then(() => new Promise<never>(() => {}));
}

/** A file that ends before its boundary fails with the parser's error, which has no code. */
function badFile(error: unknown): unknown {
  if (error instanceof ProtocolError || systemErrorCode(error) !== undefined) return error;
  return badForm("a file in it is cut short", error);
}

function openForm(contentType: string): BusboyInstance {
  try {
    return new Busboy({
      headers: { "content-type": contentType },
      preservePath: true,
      limits: PARSER_LIMITS,
    });
  } catch (cause) {
    throw badForm("its Content-Type has no boundary", cause);
  }
}

function badForm(problem: string, cause: unknown): ProtocolError {
  return new ProtocolError("invalid_field", `Expected a multipart/form-data body, but ${problem}.`, "body", {
    cause,
  });
}
