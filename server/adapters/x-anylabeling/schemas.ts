/** The requests of X-AnyLabeling 4.2. Unknown fields are ignored: other versions send more of them. */
import { z } from "zod";

/** A picture as a data URL. */
const picture = z.string();

const confidence = z.number().min(0).max(1).default(0.25);

const params = z
  .looseObject({
    conf_threshold: confidence.describe("Objects below this probability are omitted"),
    epsilon_factor: z
      .number()
      .min(0)
      .max(1)
      .default(0.001)
      .describe("Largest distance by which a polygon moves, as a part of the length of its outline"),
  })
  .prefault({});

export const initSchema = z.looseObject({
  model: z.string(),
  frames: z.array(picture).min(1),
  start_frame_index: z.int().min(0).default(0),
});

const point = z.tuple([z.number(), z.number()]);

const relative = z.number().min(0).max(1);

export const promptSchema = z
  .looseObject({
    session_id: z.string().min(1),
    frame_index: z.int().min(0),
    text_prompt: z.string().exactOptional(),
    points: z
      .array(z.tuple([relative, relative]))
      .min(1)
      .exactOptional()
      .describe("0 to 1 of the picture"),
    point_labels: z.array(z.literal([0, 1])).exactOptional(),
    obj_id: z.int().min(0).exactOptional(),
    params,
  })
  .superRefine(({ text_prompt, points, point_labels }, context) => {
    const fail = (field: string, message: string) =>
      context.addIssue({ code: "custom", path: [field], message });
    if ((text_prompt === undefined) === (points === undefined))
      fail("text_prompt", "expected either text_prompt or points");
    if (points && points.length !== point_labels?.length)
      fail(
        "point_labels",
        `expected one label for each of ${points.length} points, got ${point_labels?.length ?? 0}`,
      );
  });

export type VideoPrompt = z.output<typeof promptSchema>;

export const propagateSchema = z.looseObject({
  session_id: z.string().min(1),
  start_frame: z.int().min(0).nullish(),
  end_frame: z.int().min(0).nullish().describe("Inclusive"),
});

export type PropagateRequest = z.output<typeof propagateSchema>;

const mark = z.discriminatedUnion(
  "type",
  [
    z.looseObject({ type: z.literal("point"), data: point, label: z.literal([0, 1]).default(1) }),
    z.looseObject({
      type: z.literal("rectangle"),
      data: z
        .tuple([z.number(), z.number(), z.number(), z.number()])
        .describe("Two opposite corners, in pixels"),
      label: z.literal([0, 1]).default(1),
    }),
  ],
  { error: "expected a mark of the type point or rectangle" },
);

export type Mark = z.output<typeof mark>;

export const predictSchema = z.looseObject({
  model: z.string(),
  image: picture,
  params: params
    .unwrap()
    .extend({
      text_prompt: z.string().exactOptional(),
      marks: z.array(mark).exactOptional(),
    })
    .prefault({}),
});

export type PicturePrompt = z.output<typeof predictSchema>["params"];
