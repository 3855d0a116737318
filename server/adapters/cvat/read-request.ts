/** Reads the body of an invocation: JSON with a picture as base64. */
import { createHash } from "node:crypto";
import type { z } from "zod";
import { ProtocolError, parseFields } from "../../../protocol/index.js";
import { describeFound, SNIFFED_BYTES, sniffBytes } from "../../media/sniff.js";
import { PICTURE_FORMATS } from "../../media/unsupported-kind.js";
import { parseJson } from "../routes.js";
import { type Kind, REQUESTS, type RequestFields } from "./schemas.js";

export interface Picture {
  bytes: Uint8Array;
  /** SHA-256 of the bytes. */
  hash: string;
}

export interface Invocation<K extends Kind = Kind> {
  fields: RequestFields<K>;
  picture: Picture;
}

type Fields = RequestFields<Kind> & { image: string };

/** Matches in linear time: no two neighbouring parts accept the same character. */
const BASE64 = /^[A-Za-z0-9+/\s]+(?:=\s*){0,2}$/;

/** @throws ProtocolError malformed_json, missing_field, invalid_field */
export function readInvocation(kind: Kind, body: Uint8Array): Invocation {
  const { image, ...fields } = parseFields<z.ZodType<Fields>>(
    REQUESTS[kind],
    parseJson(new TextDecoder().decode(body)),
  );
  if (!BASE64.test(image)) {
    const seen = JSON.stringify(image.slice(0, 20));
    throw new ProtocolError("invalid_field", `image: expected a picture as base64, got ${seen}.`, "image");
  }
  const bytes = new Uint8Array(Buffer.from(image, "base64"));
  const found = sniffBytes(bytes.subarray(0, SNIFFED_BYTES));
  if (found.kind !== "image") {
    const message = `image: expected a picture (${PICTURE_FORMATS}), got ${describeFound(found)}.`;
    throw new ProtocolError("invalid_field", message, "image");
  }
  const hash = createHash("sha256").update(bytes).digest("hex");
  return { fields, picture: { bytes, hash } };
}
