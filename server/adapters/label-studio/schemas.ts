/** What Label Studio 1.23 sends. Unknown fields are ignored. */
import { z } from "zod";

/** Of a label, and of the id of a region: both are kept with the task. */
export const MAX_NAME_CHARS = 1000;

const keyframe = z.looseObject({
  frame: z.int().min(1).describe("Counts from 1"),
  enabled: z.boolean().default(true).describe("False: the object is gone after this frame"),
  rotation: z.number().default(0).describe("Degrees, clockwise around the top left corner"),
  x: z.number().describe("Percent of the frame"),
  y: z.number(),
  width: z.number(),
  height: z.number(),
});

export type Keyframe = z.output<typeof keyframe>;

const texts = z.array(z.string().max(MAX_NAME_CHARS));

/** One drawn region, or one answer of a text area. */
export const regionSchema = z.looseObject({
  id: z.string().max(MAX_NAME_CHARS).default(""),
  type: z.string(),
  from_name: z.string().default(""),
  to_name: z.string().default(""),
  original_width: z.number().exactOptional(),
  original_height: z.number().exactOptional(),
  item_index: z.int().min(0).nullish(),
  is_positive: z.boolean().nullish(),
  meta: z
    .looseObject({ text: z.array(z.string()).exactOptional() })
    .nullish()
    .describe("Notes on the region"),
  value: z.looseObject({
    framesCount: z.number().nullish(),
    duration: z.number().nullish(),
    labels: texts.exactOptional(),
    keypointlabels: texts.exactOptional(),
    rectanglelabels: texts.exactOptional(),
    text: z
      .union([z.string(), z.array(z.string())], { error: "expected a string, or an array of strings" })
      .exactOptional(),
    sequence: z.array(keyframe).exactOptional(),
    x: z.number().exactOptional(),
    y: z.number().exactOptional(),
    width: z.number().exactOptional(),
    height: z.number().exactOptional(),
    rotation: z.number().exactOptional().describe("Degrees, clockwise around the top left corner"),
  }),
});

export type Region = z.output<typeof regionSchema>;

const drawn = z.looseObject({
  user: z
    .union([z.string().max(MAX_NAME_CHARS), z.number()])
    .nullish()
    .catch(undefined),
  result: z.array(z.unknown()).nullish(),
});

export const taskSchema = z.looseObject({
  id: z.union([z.int(), z.string()], { error: "expected an integer, or a string" }),
  data: z.record(z.string(), z.unknown()),
  drafts: z.array(drawn).nullish(),
});

export type Task = z.output<typeof taskSchema>;

export const predictSchema = z.looseObject({
  tasks: z.array(taskSchema),
  project: z.string().nullish(),
  label_config: z.string(),
  params: z
    .looseObject({ context: z.looseObject({ result: z.array(regionSchema).nullish() }).nullish() })
    .nullish(),
});

/** A region of the answer. */
export interface Answered {
  id: string;
  type: string;
  from_name: string;
  to_name: string;
  value: Record<string, unknown>;
  [field: string]: unknown;
}
