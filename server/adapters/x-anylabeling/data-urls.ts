/**
 * Reads a JSON body whose pictures are data URLs, without holding the pictures in memory.
 *
 * A body of a video has hundreds of megabytes, nearly all of them base64. Native code searches for the ends of pictures and decodes
 * base64, so that the thread that serves the sockets stays free. The rest of the body is small and goes to `JSON.parse`.
 */
import { ProtocolError } from "../../../protocol/index.js";
import type { PicturePart } from "../picture-form.js";
import { parseJson } from "../routes.js";

/** Stands for picture N in the value that the reader returns. */
export const placeholder = (index: number) => `data:${index}`;

/** Of everything in the body but pictures. */
const MAX_TEXT_BYTES = 16 * 1024 ** 2;
const FIRST_BLOCK_BYTES = 64 * 1024;
const MAX_HEAD_BYTES = 200;
const PREFIX = "data:";
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;

/**
 * Yields the pictures as they arrive, and returns the value of the body, in which a {@link placeholder} replaces each data URL.
 * @param nameOf what messages call a picture
 * @throws ProtocolError malformed_json, invalid_field for a data URL that is not base64, message_too_large
 */
export async function* readPictures(
  body: AsyncIterable<Uint8Array>,
  nameOf: (index: number) => string,
): AsyncGenerator<PicturePart, unknown, undefined> {
  const reader = createReader(nameOf);
  for await (const chunk of body)
    yield* reader.read(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length));
  return reader.value();
}

type State = "outside" | "opening" | "text" | "escape" | "head" | "data";

function createReader(nameOf: (index: number) => string) {
  /** Everything but pictures, in one block: a body can have millions of short strings. */
  let text = Buffer.alloc(FIRST_BLOCK_BYTES);
  let textBytes = 0;
  let state: State = "outside";
  /** The first characters of the string, until it is known whether it is a data URL. */
  let start = "";
  /** Base64 characters that do not make up whole bytes yet. */
  let rest = "";
  let pictures = 0;

  function keep(bytes: Buffer): void {
    const end = textBytes + bytes.length;
    if (end > MAX_TEXT_BYTES) {
      const message = `The body has more than ${MAX_TEXT_BYTES} bytes besides its pictures.`;
      throw new ProtocolError("message_too_large", message);
    }
    if (end > text.length) text = Buffer.concat([text], Math.max(end, 2 * text.length));
    text.set(bytes, textBytes);
    textBytes = end;
  }

  function decode(characters: string): Buffer {
    // JSON permits "\/" for "/".
    const base64 = rest + (characters.includes("\\") ? characters.replaceAll("\\", "") : characters);
    const whole = base64.length - (base64.length % 4);
    rest = base64.slice(whole);
    return Buffer.from(base64.slice(0, whole), "base64");
  }

  function* read(chunk: Buffer): Generator<PicturePart> {
    for (let at = 0; at < chunk.length; ) {
      if (state === "outside") {
        const quote = chunk.indexOf(QUOTE, at);
        const end = quote < 0 ? chunk.length : quote + 1;
        keep(chunk.subarray(at, end));
        at = end;
        if (quote >= 0) [state, start] = ["opening", ""];
      } else if (state === "opening") {
        const next = start + String.fromCharCode(chunk[at] as number);
        if (PREFIX.startsWith(next)) {
          start = next;
          at++;
          if (start === PREFIX) state = "head";
        } else {
          keep(Buffer.from(start));
          state = "text";
        }
      } else if (state === "text") {
        let end = at;
        while (end < chunk.length && chunk[end] !== QUOTE) end += chunk[end] === BACKSLASH ? 2 : 1;
        if (end > chunk.length) state = "escape";
        else if (end < chunk.length) state = "outside";
        keep(chunk.subarray(at, end + 1));
        at = end + 1;
      } else if (state === "escape") {
        keep(chunk.subarray(at, at + 1));
        at++;
        state = "text";
      } else if (state === "head") {
        const byte = chunk[at++] as number;
        start += String.fromCharCode(byte);
        if (byte === QUOTE || start.length > MAX_HEAD_BYTES) throw notBase64(nameOf(pictures), start);
        if (byte !== COMMA) continue;
        if (!start.endsWith(";base64,")) throw notBase64(nameOf(pictures), start);
        keep(Buffer.from(placeholder(pictures++)));
        [state, rest] = ["data", ""];
        yield { kind: "begin" };
      } else {
        const quote = chunk.indexOf(QUOTE, at);
        const end = quote < 0 ? chunk.length : quote;
        const bytes = decode(chunk.toString("latin1", at, end));
        if (bytes.length > 0) yield { kind: "bytes", bytes };
        at = end;
        if (quote < 0) continue;
        const tail = Buffer.from(rest, "base64");
        if (tail.length > 0) yield { kind: "bytes", bytes: tail };
        yield { kind: "end" };
        state = "text";
      }
    }
  }

  return {
    read,
    value(): unknown {
      return parseJson(text.toString("utf8", 0, textBytes));
    },
  };
}

function notBase64(field: string, start: string): ProtocolError {
  const seen = JSON.stringify(start.slice(0, 60));
  return new ProtocolError("invalid_field", `${field}: expected a base64 data URL, got ${seen}.`, field);
}
