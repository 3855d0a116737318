/** The form in which masks of frames are sent. */
import { z } from "zod";
import { FIELD_LIMITS } from "../limits.js";

export const MASK_FORMATS = ["rle", "binary", "polygons", "png", "label_map", "none"] as const;

export type MaskFormat = (typeof MASK_FORMATS)[number];

/** Fields of `start_session`, whose values apply to the session, and of the requests that return outputs. */
export const maskFormatFields = {
  mask_format: z
    .enum(MASK_FORMATS)
    .exactOptional()
    .describe("Form of the masks, see [mask formats](#mask-formats); default: that of the session, `rle`"),
  polygon_tolerance_px: z
    .number()
    .min(0)
    .max(FIELD_LIMITS.polygonTolerancePx.value)
    .exactOptional()
    .describe("Largest distance by which simplified outlines move; default: that of the session, 1"),
  changed_only: z
    .boolean()
    .exactOptional()
    .describe(
      "Omit objects whose mask was sent before, see [changed masks only](#changed-masks-only); default: that of the session, false",
    ),
};

/** A request's choice; absent fields have the value of the session. */
export type MaskFormatFields = z.output<z.ZodObject<typeof maskFormatFields>>;
