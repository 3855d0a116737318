/** Pictures as files of a form, as an upload of several pictures arrives. */
import { v4 as uuid } from "uuid";

/** Pictures in the order of the frames. `begin` and `end` enclose the bytes of each. */
export type PicturePart = { kind: "begin" } | { kind: "bytes"; bytes: Uint8Array } | { kind: "end" };

export interface PictureForm<T> {
  contentType: string;
  body: AsyncIterable<Uint8Array>;
  /** What the generator of the parts has returned. */
  value(): T | undefined;
  count(): number;
}

/** Begins the name of each file, before its place. Messages of uploads contain the name. */
const NAME = "frame-";

export const placeOf = (name: string) => Number(name.slice(NAME.length));

/** @param onBytes receives the bytes of all pictures */
export function writePictureForm<T>(
  parts: AsyncGenerator<PicturePart, T, undefined>,
  onBytes: (bytes: Uint8Array) => void = () => {},
): PictureForm<T> {
  const boundary = `masklet-${uuid()}`;
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
        onBytes(part.bytes);
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
  };
}
