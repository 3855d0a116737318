/** Schemas of values that several messages share. */
import { z } from "zod";
import { FIELD_LIMITS } from "./limits.js";

/** Text that UTF-8 can encode: without lone surrogates. */
export function wellFormedText(maxLength: number) {
  return z
    .string()
    .max(maxLength)
    .regex(/^\P{Surrogate}*$/u, "expected well-formed Unicode");
}

export const requestId = wellFormedText(FIELD_LIMITS.requestIdLength.value)
  .min(1)
  .describe("Chosen by the client; every answer to the request repeats it");

export const sessionId = wellFormedText(FIELD_LIMITS.sessionIdLength.value)
  .min(1)
  .describe("The id from the answer to `start_session`");

/** Number of a result of a session. */
export const seq = z.int().min(1);

/** At least 128 bits in base64url. */
export const sessionToken = z
  .string()
  .min(22)
  .max(FIELD_LIMITS.sessionTokenLength.value)
  .regex(/^[A-Za-z0-9_-]*$/, "expected letters, digits, - and _ only");

export const resourcePath = wellFormedText(FIELD_LIMITS.pathLength.value)
  .min(1)
  .regex(/^[^\0]*$/, "expected no NUL character");

export const filename = wellFormedText(FIELD_LIMITS.filenameLength.value)
  .min(1)
  .regex(/^[^\p{Cc}/\\]*$/u, "expected no control character, slash or backslash");

export const phrase = wellFormedText(FIELD_LIMITS.phraseLength.value).trim().min(1);

/** A name for display. */
export const label = wellFormedText(FIELD_LIMITS.nameLength.value)
  .trim()
  .min(1)
  .regex(/^\P{Cc}*$/u, "expected no control character");

/** Position of a frame in display order, from 0. */
export const frameIndex = z.int().min(0);

/** A frame by its index, or the newest frame of a live session. */
export const promptedFrame = z.union([frameIndex, z.literal("latest")], {
  error: 'expected the index of a frame, an integer from 0, or "latest"',
});

export const objectId = z.int().min(0);

/** A pixel or relative coordinate; the rules of each request check its range. */
export const coordinate = z.number();

export const point = z.tuple([coordinate, coordinate]);

/** x, y of the top left corner, width, height. */
export const boxXywh = z.tuple([coordinate, coordinate, coordinate, coordinate]);

/** 1 for positive, 0 for negative. */
export const polarity = z.literal([0, 1]);

export const probability = z.number().min(0).max(1);

/** x, y of the top left corner, x, y of the bottom right one. */
export const boxXyxy = z.tuple([coordinate, coordinate, coordinate, coordinate]);

export const lowResMask = z
  .strictObject({
    size: z.tuple([z.int().min(1), z.int().min(1)]).describe("Height, width"),
    dtype: z.literal("float16"),
    data: z.string().describe("base64 of little-endian half-precision floats, row by row"),
  })
  .meta({ title: "low-resolution-masks" });

export const cocoRle = z
  .strictObject({
    size: z.tuple([z.int().min(1), z.int().min(1)]).describe("Height, width of the source video"),
    counts: z.string().describe("COCO compressed runs, column by column"),
  })
  .describe("A mask in the format of pycocotools");
