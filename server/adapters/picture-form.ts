/** Pictures as files of a form, as an upload of several pictures arrives. */
import { createHash } from "node:crypto";
import { v4 as uuid } from "uuid";

/** Pictures in the order of the frames. `begin` and `end` enclose the bytes of each. */
export type PicturePart = { kind: "begin" } | { kind: "bytes"; bytes: Uint8Array } | { kind: "end" };

export interface PictureForm<T> {
  contentType: string;
  body: AsyncIterable<Uint8Array>;
  /** What the generator of the parts has returned. */
  value(): T | undefined;
  count(): number;
  /** SHA-256 of all pictures, once. */
  hash(): string;
}

/** Begins the name of each file, before its place. Messages of uploads contain the name. */
const NAME = "frame-";

export const placeOf = (name: string) => Number(name.slice(NAME.length));

export function writePictureForm<T>(parts: AsyncGenerator<PicturePart, T, undefined>): PictureForm<T> {
  const boundary = `masklet-${uuid()}`;
  const hash = createHash("sha256");
  let count = 0;
  let value: T | undefined;
  async function* body(): AsyncGenerator<Uint8Array> {
    for (let next = await parts.next(); ; next = await parts.next()) {
      if (next.done) {
        value = next.value;
        break;
      }
      const part = next.value;
      if (part.kind === "begin") {
        const head = `content-disposition: form-data; name="frame"; filename="${NAME}${count++}"`;
        yield Buffer.from(`--${boundary}\r\n${head}\r\ncontent-type: application/octet-stream\r\n\r\n`);
      } else if (part.kind === "end") yield Buffer.from("\r\n");
      else {
        hash.update(part.bytes);
        yield part.bytes;
      }
    }
    yield Buffer.from(`--${boundary}--\r\n`);
  }
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    body: body(),
    value: () => value,
    count: () => count,
    hash: () => hash.digest("hex"),
  };
}
