/** Schemas of the values that several messages share. */
import { z } from "zod";
import { FIELD_LIMITS } from "./limits.js";

/** Text that survives a round trip through UTF-8; a lone surrogate does not. */
function wellFormedText(maxLength: number) {
  return z
    .string()
    .max(maxLength)
    .regex(/^\P{Surrogate}*$/u, "expected well-formed Unicode");
}

export const requestId = wellFormedText(FIELD_LIMITS.requestIdLength.value)
  .min(1)
  .describe("Chosen by the client, echoed on everything that answers this request");

export const sessionId = wellFormedText(FIELD_LIMITS.sessionIdLength.value)
  .min(1)
  .describe("As `start_session` named it");

export const resourcePath = wellFormedText(FIELD_LIMITS.pathLength.value)
  .min(1)
  .regex(/^[^\0]*$/, "expected no NUL character");

export const filename = wellFormedText(FIELD_LIMITS.filenameLength.value)
  .min(1)
  .regex(/^[^\p{Cc}/\\]*$/u, "expected no control character, slash or backslash");

export const phrase = wellFormedText(FIELD_LIMITS.phraseLength.value).trim().min(1);

/** Position of a frame in display order, from 0. */
export const frameIndex = z.int().min(0);

export const objectId = z.int().min(0);

/** A pixel or relative coordinate; `add_prompt` checks the range that its `rel_coordinates` asks for. */
export const coordinate = z.number();

export const point = z.tuple([coordinate, coordinate]);

/** x, y of the top left corner, width, height. */
export const boxXywh = z.tuple([coordinate, coordinate, coordinate, coordinate]);

/** 1 for "this belongs to it", 0 for "this does not". */
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
  .describe("A mask as pycocotools writes it");
