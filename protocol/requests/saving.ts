/** Requests that save a session as a file, and that start a session from one. */
import { z } from "zod";
import { resourcePath, sessionId, sessionToken } from "../fields.js";
import { FIELD_LIMITS } from "../limits.js";
import { maskFormatFields } from "./mask-format.js";

export const saveSession = z.strictObject({ type: z.literal("save_session"), session_id: sessionId });

export const loadSession = z
  .strictObject({
    type: z.literal("load_session"),
    saved_id: z
      .string()
      .min(1)
      .max(FIELD_LIMITS.uploadIdLength.value)
      .describe("From the answer to `save_session`, or from `POST /v1/saved`"),
    resource_path: resourcePath
      .exactOptional()
      .describe("The video of the saved session on this server; absolute, or relative to a media root"),
    upload_id: z
      .string()
      .min(1)
      .max(FIELD_LIMITS.uploadIdLength.value)
      .exactOptional()
      .describe("The video as an upload, instead of a path"),
    session_id: sessionId.exactOptional().describe("Chosen by the client; default: chosen by the server"),
    session_token: sessionToken
      .exactOptional()
      .describe("A secret chosen by the client, for `attach_session`; default: chosen by the server"),
    ...maskFormatFields,
  })
  .superRefine(({ resource_path, upload_id }, context) => {
    if (resource_path === undefined && upload_id === undefined) {
      const message = "missing: expected a resource_path or an upload_id";
      context.addIssue({ code: "custom", path: ["resource_path"], params: { missing: true }, message });
    } else if (resource_path !== undefined && upload_id !== undefined) {
      const message = "expected either resource_path or upload_id, got both";
      context.addIssue({ code: "custom", path: ["upload_id"], message });
    }
  });
