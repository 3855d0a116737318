/** A mask as part of a request. */
import { z } from "zod";
import { coordinate } from "../fields.js";
import { FIELD_LIMITS } from "../limits.js";
import { missing, type PromptProblem, wrong } from "../problem.js";

export const maskInput = z
  .strictObject({
    rle: z
      .strictObject({
        size: z.tuple([z.int().min(1), z.int().min(1)]).describe("Height, width of the source"),
        counts: z
          .union([z.string(), z.array(z.int().min(0))], {
            error: "expected COCO run-length text or an array of run lengths",
          })
          .describe("COCO compressed runs, or a list of run lengths, column by column"),
      })
      .exactOptional()
      .describe("COCO run lengths"),
    png: z
      .string()
      .exactOptional()
      .describe(
        "base64 of a PNG picture of the size of the source; pixels that are black or transparent are outside",
      ),
    polygons: z
      .array(z.array(coordinate).min(6))
      .min(1)
      .exactOptional()
      .describe("Rings `[x0, y0, x1, y1, …]` in pixels of the source; inside by the even-odd rule"),
  })
  .meta({ title: "mask-prompts" });

export type MaskInput = z.output<typeof maskInput>;

const FORMS = ["rle", "png", "polygons"] as const;

/** The first contradiction in a mask. The server compares it with the size of the source. */
export function maskProblem(mask: MaskInput): PromptProblem | undefined {
  const given = FORMS.filter((form) => mask[form] !== undefined);
  if (given.length === 0)
    return { ...missing("rle", "expected one of rle, png and polygons"), path: ["mask", "rle"] };
  if (given.length > 1)
    return wrong(["mask", given[1] as string], `expected one form, got ${given.join(" and ")}`);
  const { polygons = [] } = mask;
  const odd = polygons.findIndex((ring) => ring.length % 2 === 1);
  if (odd >= 0) {
    const length = polygons[odd]?.length;
    return wrong(["mask", "polygons", odd], `expected pairs of x and y, got ${length} numbers`);
  }
  const vertices = polygons.reduce((sum, ring) => sum + ring.length / 2, 0);
  const limit = FIELD_LIMITS.verticesPerMask.value;
  if (vertices > limit)
    return wrong(["mask", "polygons"], `expected at most ${limit} vertices, got ${vertices}`);
  return undefined;
}
