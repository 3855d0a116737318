/** Answers and events about sessions that outlive their connection, and about the server. */
import { z } from "zod";
import { requestId, seq, sessionId } from "../fields.js";
import { savedFields } from "./saving.js";

export const attachedFields = {
  last_seq: z.int().min(0).describe("`seq` of the newest result; 0 when there is none"),
  lost: z.int().min(0).describe("Results after `after_seq` that the server no longer has"),
  pending: z.array(requestId).describe("Requests that are not answered yet; their results follow"),
  streams: z
    .array(z.strictObject({ request_id: requestId, num_frames: z.int().min(0) }))
    .describe("Streams that need an `ack`, with their frames up to `last_seq`"),
  control: z.boolean().describe("False for watchers"),
};

const tool = z
  .strictObject({
    version: z.string().describe("As the tool prints it"),
    year: z.int().exactOptional().describe("Of the build's sources"),
  })
  .nullable();

export const serverFields = {
  version: z.string().describe("Of the server"),
  protocol: z.string().describe("The subprotocol, `masklet.v1`"),
  pack: z.strictObject({
    id: z.string(),
    family: z.string(),
    version: z.string(),
    hash: z.string().describe("SHA-256 of the pack's files"),
    input_size: z.int().min(1).describe("Side of the square picture that the model receives, in pixels"),
    capabilities: z.strictObject({
      text: z.boolean(),
      exemplars: z.boolean(),
      points: z.boolean(),
      mask_seed: z.boolean(),
    }),
    provider: z.string().describe("ONNX Runtime execution provider"),
  }),
  prompts: z.array(z.string()).describe("Kinds of prompts that the pack supports"),
  mask_formats: z.array(z.string()).describe("Values of `mask_format`"),
  features: z.array(z.string()).describe("What this server adds to the first version of the protocol"),
  limits: z.record(z.string(), z.number()).describe("The [limits](#limits) in force, by name"),
  sessions: z.int().min(0).describe("Open sessions of the owner"),
  tools: z
    .strictObject({
      ffmpeg: tool,
      ffprobe: tool,
      sandbox: z
        .enum(["bubblewrap", "namespaces", "limits", "none"])
        .describe("How the tools are started; in the first two they have no network"),
    })
    .describe("What reads videos; a tool that cannot be run is null"),
  shares: z
    .array(
      z.strictObject({
        name: z.string(),
        unit: z.string(),
        used: z.number().min(0),
        limit: z.number().min(0),
      }),
    )
    .describe("What the owner holds of each [share](#shares), and its limit"),
};

export const lastingEvents = {
  server_draining: z.strictObject({
    type: z.literal("event"),
    event: z.literal("server_draining"),
    ends_in_ms: z
      .int()
      .min(0)
      .describe("Streams and requests may continue for so long; then the sockets are closed with 1001"),
    retry_after_ms: z.int().min(0).describe("When to connect again, in milliseconds from now; an estimate"),
  }),
  session_saved: z.strictObject({
    type: z.literal("event"),
    seq,
    event: z.literal("session_saved"),
    session_id: sessionId,
    ...savedFields,
  }),
  session_detached: z.strictObject({
    type: z.literal("event"),
    event: z.literal("session_detached"),
    session_id: sessionId,
    reason: z
      .enum(["taken_over", "closed"])
      .describe(
        "`taken_over`: another connection controls the session now; `closed`: another caller closed it",
      ),
  }),
  results_skipped: z.strictObject({
    type: z.literal("event"),
    event: z.literal("results_skipped"),
    session_id: sessionId,
    first_seq: seq.describe("The first result that the watcher does not receive"),
    last_seq: seq.describe("The last one"),
  }),
} as const;
