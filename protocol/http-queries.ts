/** The queries of GET requests over HTTP. */
import { z } from "zod";
import { frameIndex, probability, resourcePath } from "./fields.js";
import { FIXED_LIMITS, MEDIA_LIMITS } from "./limits.js";
import { maskFormatFields } from "./requests/mask-format.js";
import { parseFields } from "./validation.js";

const width = z
  .int()
  .min(1)
  .max(MEDIA_LIMITS.maxSidePx.value)
  .exactOptional()
  .describe("Largest width of the picture, whose aspect ratio is kept; a smaller picture keeps its size");

export const framePictureQuerySchema = z.strictObject({ width });

export const framePicturesQuerySchema = z.strictObject({
  first: frameIndex.describe("First frame"),
  last: frameIndex.describe(
    `Last frame, inclusive; at most ${FIXED_LIMITS.picturesPerRequest.value} frames together`,
  ),
  width,
});

export const resultsQuerySchema = z.strictObject({
  first: frameIndex.default(0).describe("First frame"),
  last: frameIndex.exactOptional().describe("Last frame, inclusive; default: the end of the video"),
  mask_format: maskFormatFields.mask_format,
  polygon_tolerance_px: maskFormatFields.polygon_tolerance_px,
  output_prob_thresh: probability.default(0.5).describe("Omit objects below this probability"),
});

export const mediaQuerySchema = z.strictObject({
  folder: resourcePath
    .exactOptional()
    .describe("A `path` of an earlier answer, or a path as in `start_session`; default: the media roots"),
});

/**
 * Checks a query. A value that is a number as text counts as a number, unless its field is text.
 * @throws ProtocolError missing_field, unknown_field, invalid_field.
 */
export function parseQuery<Schema extends z.ZodObject>(
  schema: Schema,
  query: Readonly<Record<string, string>>,
): z.output<Schema> {
  const fields = Object.entries(query).map(([name, text]) => {
    const field = schema.shape[name] as z.ZodType | undefined;
    const isNumber = /^-?\d+(\.\d+)?$/.test(text) && !field?.safeParse(text).success;
    return [name, isNumber ? Number(text) : text];
  });
  return parseFields(schema, Object.fromEntries(fields));
}
