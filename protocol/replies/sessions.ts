/** Answers of GET requests over HTTP. */
import { z } from "zod";
import { filename, sessionId, sessionToken } from "../fields.js";
import { savedFields } from "./saving.js";

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

/** An entry of `GET /v1/saved`. */
export const savedSummarySchema = z.strictObject({
  saved_id: savedFields.saved_id,
  name: z.string().nullable().describe("Name of the video; null where the file does not contain it"),
  bytes: savedFields.bytes,
  saved_at: z.iso.datetime().describe("Time when the server stored the file, UTC"),
  expires_at: z.iso.datetime().describe("Time after which the server deletes the file, UTC"),
  video: z
    .strictObject({ width: z.int().min(1), height: z.int().min(1), num_frames: z.int().min(1) })
    .exactOptional()
    .describe("Absent: `load_session` cannot read the file, for example because another version wrote it"),
});

export type SavedSummary = z.output<typeof savedSummarySchema>;

/** An entry of `GET /v1/imports`. */
export const importFormatSchema = z.strictObject({
  id: z.string().describe("For `format`"),
  title: z.string(),
  extensions: z.array(z.string()).describe("Names of files that can be sent, such as `.json` and `.zip`"),
  as: z
    .array(z.enum(["prompts", "locked"]))
    .describe("Kinds that the format can be imported as; boxes cannot be locked"),
});

export type ImportFormatFacts = z.output<typeof importFormatSchema>;
