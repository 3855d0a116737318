/** Requests about results that are worth checking. */
import { z } from "zod";
import { sessionId } from "../fields.js";
import { FIELD_LIMITS } from "../limits.js";

export const listSuspects = z.strictObject({
  type: z.literal("list_suspects"),
  session_id: sessionId,
  limit: z
    .int()
    .min(1)
    .max(FIELD_LIMITS.suspectsPerAnswer.value)
    .default(100)
    .describe("Most entries to return"),
});
