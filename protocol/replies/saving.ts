/** Answers about saved sessions. */
import { z } from "zod";
import { objectId } from "../fields.js";

export const savedFields = {
  saved_id: z.string().describe("For `load_session`, and for `GET /v1/saved/ID`"),
  bytes: z.int().min(0).describe("Size of the file"),
  sha256: z.string().length(64).describe("Of the file, hexadecimal"),
};

/** The body of the answer to `POST /v1/saved`. */
export const savedSchema = z.strictObject(savedFields);

export const loadedFields = {
  restored: z
    .enum(["exactly", "from_masks"])
    .describe(
      "`exactly`: the next frames are those that the saved session would have computed. `from_masks`: the model pack is another one; the stored masks remain, and tracking starts from them",
    ),
  obj_ids: z.array(objectId).describe("Objects, ascending"),
  stored_frames: z.int().min(0).describe("Frames with stored results"),
};
