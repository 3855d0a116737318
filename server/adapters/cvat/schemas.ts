/** What CVAT sends to functions of Nuclio (`cvat/apps/lambda_manager/views.py`). Unknown fields are ignored. */
import { z } from "zod";

export const SHAPE_TYPES = ["mask", "polygon", "rectangle"] as const;

export type ShapeType = (typeof SHAPE_TYPES)[number];

const image = z.string().describe("base64 of the picture");

const numbers = z.array(z.number());

const shape = z.union(
  [
    z.object({ type: z.enum(SHAPE_TYPES), points: numbers }),
    // Earlier versions of CVAT: the corners of a rectangle.
    numbers,
    // A track that is continued has no shape.
    z.null(),
  ],
  { error: `expected a shape with points, of the type ${SHAPE_TYPES.join(", ")}` },
);

export type GivenShape = z.output<typeof shape>;

const point = z.tuple([z.number(), z.number()]);

/** The requests by the kind of the function. */
export const REQUESTS = {
  tracker: z.object({
    image,
    shapes: z.array(shape).nullish(),
    states: z.array(z.string()).nullish().describe("Of the tracks to continue; empty to start tracks"),
  }),
  interactor: z.object({
    image,
    pos_points: z.array(point).nullish(),
    neg_points: z.array(point).nullish(),
    obj_bbox: z
      .union([z.tuple([point, point]), z.tuple([])], { error: "expected two corners, or none" })
      .nullish(),
  }),
  detector: z.object({ image, threshold: z.number().min(0).max(1).nullish() }),
} as const;

export type Kind = keyof typeof REQUESTS;

export type RequestFields<K extends Kind> = Omit<z.output<(typeof REQUESTS)[K]>, "image">;
