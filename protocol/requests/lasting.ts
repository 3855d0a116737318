/** Requests about sessions that outlive their connection, and about the server. */
import { z } from "zod";
import { sessionId, sessionToken } from "../fields.js";

export const attachSession = z.strictObject({
  type: z.literal("attach_session"),
  session_token: sessionToken.describe("From the answer to `start_session`"),
  after_seq: z
    .int()
    .min(0)
    .exactOptional()
    .describe("`seq` of the last result that the client has; later ones are sent again. Default: none are"),
  watch: z.boolean().default(false).describe("True: receive results without the right to change anything"),
});

export const detachSession = z.strictObject({
  type: z.literal("detach_session"),
  session_id: sessionId,
});

export const getServer = z.strictObject({ type: z.literal("get_server") });
