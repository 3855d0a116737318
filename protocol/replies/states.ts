/** The states of objects on a frame, and the frames worth checking. */
import { z } from "zod";
import { frameIndex, objectId, probability } from "../fields.js";

const suspectReason = z
  .enum(["low_score", "scattered", "area_jump", "position_jump", "overlap", "reappeared"])
  .meta({ title: "suspects" });

export const objectState = z
  .strictObject({
    obj_id: objectId,
    state: z
      .enum(["present", "occluded", "lost"])
      .describe("`occluded`: no mask, but one within the last 30 frames. `lost`: none for longer"),
    score: probability.describe("Object score of the tracker; 1 on frames with a prompt or a lock"),
    prompt: z
      .strictObject({
        kind: z.enum(["concept", "clicks", "box", "mask"]),
        frame_index: frameIndex.describe("Of a concept: the frame on which the object was detected first"),
        concept: z.string().exactOptional().describe("Only with the kind `concept`"),
      })
      .describe("The prompt of the object that is nearest to the frame"),
    suspect: suspectReason.nullable().describe("Why the mask may be wrong; null: no reason, or no mask"),
  })
  .meta({ title: "object-states" });

export const suspectFields = {
  suspects: z
    .array(
      z.strictObject({
        frame_index: frameIndex,
        obj_id: objectId,
        score: probability.describe("As in `out_states`"),
        reason: suspectReason,
      }),
    )
    .describe("Worst first"),
  num_suspects: z.int().min(0).describe("All of them, also those beyond `limit`"),
};
