/** Pictures in JSON bodies become an upload of their sender. */
import type { z } from "zod";
import { ProtocolError, parseFields } from "../../../protocol/index.js";
import type { Predictor } from "../../predictor.js";
import type { OwnerId } from "../../session-owner.js";
import type { Upload } from "../../uploads/upload.js";
import { type PictureForm, writePictureForm } from "../picture-form.js";
import { placeholder, readPictures } from "./data-urls.js";

export interface Received<T> {
  /** The other fields of the body. */
  fields: T;
  uploadId: string;
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
  /** The name of their field, for messages. */
  field: "frames" | "image";
  signal: AbortSignal;
  /** Receives the bytes of all pictures. */
  onBytes?(bytes: Uint8Array): void;
}

/**
 * Writes the pictures to disk as they arrive, within the shares of the owner. After a failure no file remains.
 * @throws ProtocolError invalid_field, malformed_json, and the errors of `UploadStore.receive`
 */
export async function receivePictures<T>(parts: ReceiveParts<T>): Promise<Received<T>> {
  const { uploads, owner, body, contentLength, schema, picturesOf, field, signal, onBytes } = parts;
  const nameOf = (index: number) => (field === "frames" ? `frames[${index}]` : field);
  const form = writePictureForm(readPictures(body, nameOf), {
    ...{ nameOf, refuse },
    ...(onBytes && { onBytes }),
  });
  const upload = await uploads.receive(requirePictures(form, field), {
    owner,
    signal,
    // Base64 has four characters for three bytes.
    contentLength: Math.floor((contentLength * 3) / 4),
    contentType: form.contentType,
  });
  const { uploadId, facts } = upload;
  try {
    const fields = parseFields(schema, form.value());
    const pictures = picturesOf(fields);
    pictures.forEach((picture, index) => {
      if (picture !== placeholder(index))
        throw refuse(nameOf(index), "expected a data URL of a picture, got another string");
    });
    if (facts.numFrames !== pictures.length) throw refuse(field, countProblem(pictures.length, facts));
    return { fields, uploadId };
  } catch (error) {
    await uploads.remove(uploadId, owner);
    throw error;
  }
}

/** Data URLs in other fields are pictures as well, and a picture can be an animation. */
const countProblem = (expected: number, { kind, numFrames }: Upload["facts"]) =>
  kind === "video"
    ? `expected a picture, got an animation of ${numFrames} frames`
    : `expected ${expected} pictures in this field, got ${numFrames} in all fields`;

const refuse = (field: string, problem: string) =>
  new ProtocolError("invalid_field", `${field}: ${problem}.`, field);

/** Fails at the end of a body without a picture. */
async function* requirePictures(
  { body, count }: PictureForm<unknown>,
  field: string,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    if (count() === 0) {
      const message = `${field}: expected at least one picture as a data URL, got none.`;
      throw new ProtocolError("invalid_field", message, field);
    }
    yield chunk;
  }
}
