/** Pictures as files of a form, as an upload of several pictures arrives. */
import { v4 as uuid } from "uuid";
import type { ProtocolError } from "../../protocol/index.js";
import { describeFound, SNIFFED_BYTES, sniffBytes } from "../media/sniff.js";
import { PICTURE_FORMATS } from "../media/unsupported-kind.js";

/** Pictures in the order of the frames. `begin` and `end` enclose the bytes of each. */
export type PicturePart = { kind: "begin" } | { kind: "bytes"; bytes: Uint8Array } | { kind: "end" };

export interface PictureForm<T> {
  contentType: string;
  body: AsyncIterable<Uint8Array>;
  /** What the generator of the parts has returned. */
  value(): T | undefined;
  count(): number;
}

export interface PictureFormOptions {
  /** What messages call a picture, such as `frames[3]`. The natural order of the names is that of the pictures. */
  nameOf(index: number): string;
  /** The error for a file that is no picture. @param problem such as "expected a picture, got text" */
  refuse(name: string, problem: string): ProtocolError;
  /** Receives the bytes of all pictures. */
  onBytes?(bytes: Uint8Array): void;
}

/** The body fails at the first file that is no picture. */
export function writePictureForm<T>(
  parts: AsyncGenerator<PicturePart, T, undefined>,
  { nameOf, refuse, onBytes = () => {} }: PictureFormOptions,
): PictureForm<T> {
  const boundary = `masklet-${uuid()}`;
  let count = 0;
  let value: T | undefined;

  function check(head: Buffer): void {
    const kind = sniffBytes(head);
    if (kind.kind === "image") return;
    const seen = head.length === 0 ? "an empty file" : describeFound(kind);
    throw refuse(nameOf(count - 1), `expected a picture (${PICTURE_FORMATS}), got ${seen}`);
  }

  async function* body(): AsyncGenerator<Uint8Array> {
    /** The first bytes of a picture, until they show what it is. */
    let head: Buffer[] | undefined;
    const endHead = () => {
      const bytes = Buffer.concat(head ?? []);
      head = undefined;
      check(bytes);
      return bytes;
    };
    for (let next = await parts.next(); ; next = await parts.next()) {
      if (next.done) {
        value = next.value;
        break;
      }
      const part = next.value;
      if (part.kind === "begin") {
        const disposition = `content-disposition: form-data; name="frame"; filename="${nameOf(count++)}"`;
        yield Buffer.from(
          `--${boundary}\r\n${disposition}\r\ncontent-type: application/octet-stream\r\n\r\n`,
        );
        head = [];
      } else if (part.kind === "end") {
        if (head) yield endHead();
        yield Buffer.from("\r\n");
      } else {
        onBytes(part.bytes);
        if (!head) yield part.bytes;
        else {
          head.push(Buffer.from(part.bytes));
          if (head.reduce((sum, { length }) => sum + length, 0) >= SNIFFED_BYTES) yield endHead();
        }
      }
    }
    yield Buffer.from(`--${boundary}--\r\n`);
  }
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    body: body(),
    value: () => value,
    count: () => count,
  };
}
