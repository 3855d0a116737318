/** Requests that take edits back. */
import { z } from "zod";
import { sessionId } from "../fields.js";

export const undo = z.strictObject({ type: z.literal("undo"), session_id: sessionId });

export const redo = z.strictObject({ type: z.literal("redo"), session_id: sessionId });
