/** Pictures in JSON bodies become an upload of their sender. */
import { createHash } from "node:crypto";
import { v4 as uuid } from "uuid";
import type { z } from "zod";
import { ProtocolError, parseFields } from "../../../protocol/index.js";
import type { Predictor } from "../../predictor.js";
import type { OwnerId } from "../../session-owner.js";
import { placeholder, readPictures } from "./data-urls.js";

export interface Received<T> {
  /** The other fields of the body. */
  fields: T;
  uploadId: string;
  /** SHA-256 of all pictures. */
  hash: string;
}

export interface ReceiveParts<T> {
  uploads: Predictor["uploads"];
  owner: OwnerId;
  body: AsyncIterable<Uint8Array>;
  /** As announced; 0 when unknown. */
  contentLength: number;
  /** Of the body, with a string for each picture. */
  schema: z.ZodType<T>;
  /** The strings of the pictures, in the order of the frames. */
  picturesOf(fields: T): readonly string[];
  signal: AbortSignal;
}

/**
 * Writes the pictures to disk as they arrive, within the shares of the owner. After a failure no file remains.
 * @throws ProtocolError invalid_field, malformed_json, and the errors of `UploadStore.receive`
 */
export async function receivePictures<T>(parts: ReceiveParts<T>): Promise<Received<T>> {
  const { uploads, owner, body, contentLength, schema, picturesOf, signal } = parts;
  const boundary = `masklet-${uuid()}`;
  const form = writeForm(readPictures(body), boundary);
  const upload = await uploads.receive(form.chunks(), {
    owner,
    signal,
    // Base64 has four characters for three bytes.
    contentLength: Math.floor((contentLength * 3) / 4),
    contentType: `multipart/form-data; boundary=${boundary}`,
  });
  const { uploadId, leftOut, facts } = upload;
  try {
    const fields = parseFields(schema, form.value());
    const pictures = picturesOf(fields);
    pictures.forEach((picture, index) => {
      if (picture !== placeholder(index)) throw notAPicture(index, "it is not a data URL of a picture");
    });
    const [first] = leftOut?.files ?? [];
    if (first) throw notAPicture(Number(first.name.slice(NAME.length)), `it is ${first.reason}`);
    if (facts.numFrames !== pictures.length || !["image", "frames"].includes(facts.kind)) {
      const message = `frames: expected ${pictures.length} pictures, got a file of the kind ${facts.kind} with ${facts.numFrames} frames.`;
      throw new ProtocolError("invalid_field", message, "frames");
    }
    return { fields, uploadId, hash: form.hash() };
  } catch (error) {
    await uploads.remove(uploadId, owner);
    throw error;
  }
}

function notAPicture(index: number, problem: string): ProtocolError {
  const message = `frames[${index}]: expected a JPEG, PNG, WebP or BMP picture, but ${problem}.`;
  return new ProtocolError("invalid_field", message, `frames[${index}]`);
}

/** Begins the name of each file, before its place. Messages of the upload contain the name. */
const NAME = "frame-";

/** The pictures as files of a form. */
function writeForm(parts: ReturnType<typeof readPictures>, boundary: string) {
  let count = 0;
  let value: unknown;
  const hash = createHash("sha256");
  return {
    value: () => value,
    hash: () => hash.digest("hex"),
    async *chunks(): AsyncGenerator<Uint8Array> {
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
      if (count === 0) {
        const message = "frames: expected at least one picture as a data URL, got none.";
        throw new ProtocolError("invalid_field", message, "frames");
      }
      yield Buffer.from(`--${boundary}--\r\n`);
    },
  };
}
