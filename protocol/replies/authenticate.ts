/** The answer to `authenticate`. */
import { z } from "zod";

export const authenticatedFields = {
  is_success: z.literal(true),
  owner: z.string().describe("Whose sessions, uploads and saved sessions the connection reaches"),
};
