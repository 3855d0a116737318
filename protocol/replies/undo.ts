/** Which frames an edit can change, and the answers to `undo` and `redo`. */
import { z } from "zod";
import { frameIndex, objectId } from "../fields.js";

export const affected = z
  .array(
    z.strictObject({
      obj_id: objectId.nullable().describe("Null: any object, including new ones"),
      first_frame_index: frameIndex,
      last_frame_index: frameIndex,
    }),
  )
  .meta({ title: "affected" })
  .describe("The frames that the request can change, both ends inclusive");

export const undoFields = {
  edit: z
    .string()
    .describe("The type of the request that was undone or carried out again, such as `add_prompt`"),
  affected: affected.describe("The frames whose results changed, both ends inclusive"),
  can_undo: z.boolean(),
  can_redo: z.boolean(),
};
