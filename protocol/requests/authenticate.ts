/** The request with which a client states its key. */
import { z } from "zod";

export const authenticate = z.strictObject({
  type: z.literal("authenticate"),
  // No rule for its form: the errors of rules repeat the value, and a key must not reach a log.
  key: z.string().describe("A key of the server, `masklet_…`"),
});
