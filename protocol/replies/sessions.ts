/** Answers of GET requests over HTTP. */
import { z } from "zod";
import { filename, sessionId, sessionToken } from "../fields.js";

/** An entry of `GET /v1/sessions`. */
export const sessionSummarySchema = z.strictObject({
  session_id: sessionId.describe(""),
  session_token: sessionToken.describe("For `attach_session`"),
  name: z.string().describe("Name of the file or folder; `live` for a live session"),
  resource_path: z.string().exactOptional().describe("As the session was started"),
  upload_id: z.string().exactOptional().describe("As the session was started"),
  created_at: z.iso.datetime().describe("Time of the start, UTC"),
  connections: z.int().min(0).describe("Connections that are attached now"),
  state: z
    .enum(["opening", "idle", "busy"])
    .describe("`opening`: it is being started. `busy`: it answers a request or propagates"),
  kind: z.enum(["video", "frames", "image", "live"]).exactOptional().describe("Absent while `opening`"),
  width: z.int().min(0).exactOptional().describe("Absent while `opening`"),
  height: z.int().min(0).exactOptional().describe("Absent while `opening`"),
  num_frames: z.int().min(0).exactOptional().describe("Absent while `opening`"),
  fps: z.number().nullable().exactOptional().describe("Absent while `opening`"),
});

export type SessionSummary = z.output<typeof sessionSummarySchema>;

/** An entry of `GET /v1/media`. */
export const mediaEntrySchema = z.strictObject({
  name: filename.describe("Without its folder"),
  path: z.string().describe("For `start_session` and for `folder`"),
  kind: z
    .enum(["folder", "video", "image"])
    .describe("By the first bytes; `start_session` can still find that the file is damaged"),
  bytes: z.int().min(0).nullable().describe("Null for folders"),
  has_pictures: z
    .boolean()
    .exactOptional()
    .describe(
      "Present for folders: a file has the name of a picture, so `start_session` can open the folder",
    ),
});

export const mediaListingSchema = z.strictObject({
  folder: z.string().nullable().describe("The folder; null for the list of several media roots"),
  parent: z.string().nullable().describe("The folder above it; null for a media root"),
  entries: z.array(mediaEntrySchema).describe("Folders first, in natural order"),
  left_out_count: z.int().min(0).describe("Names beyond the limit, which are not in `entries`"),
});

export type MediaListing = z.output<typeof mediaListingSchema>;
