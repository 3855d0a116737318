/** Options that several formats share. Values are text, as in a query. */
import { z } from "zod";

export const polygonTolerance = z
  .string()
  .regex(/^\d{1,4}(\.\d{1,6})?$/, { error: "expected pixels from 0, such as 0.5" })
  .transform(Number)
  .default(0.5)
  .describe("Largest distance in pixels by which a simplified outline moves; 0: exact outlines");

/** The numbers of the first frame in formats that know both customs. */
export const firstFrame = (standard: 0 | 1) =>
  z
    .enum(["0", "1"], { error: 'expected "0" or "1"' })
    .default(standard === 0 ? "0" : "1")
    .transform(Number)
    .describe("The number of the first frame of the video");
