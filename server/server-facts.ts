/** The answer to `get_server`. */
import { createRequire } from "node:module";
import { type AnswerOf, FIELD_LIMITS, MASK_FORMATS, SERVER_LIMITS, SUBPROTOCOL } from "../protocol/index.js";
import type { ServerConfig } from "./config.js";
import type { PackSummary } from "./engine/index.js";
import type { ToolFacts } from "./media/tool-facts.js";
import type { MediaTools } from "./media/tools.js";
import type { ShareUse } from "./shares/shares.js";

export const { version } = createRequire(import.meta.url)("masklet/package.json") as { version: string };

/** What the server adds to the first version of the protocol. A client checks for a name before it uses the feature. */
const FEATURES = [
  "ack",
  "attach_session",
  "authenticate",
  "changed_only",
  "edits",
  "http_requests",
  "list_suspects",
  "live",
  "mask_format",
  "mask_prompts",
  "predict",
  "saved_sessions",
  "semantic_map",
  "session_opening",
  "stored_results",
  "track_others",
  "tus",
  "uploads",
];

export interface ServerFactsParts {
  pack: PackSummary;
  config: ServerConfig;
  /** Open sessions of the owner that asks. */
  sessions: number;
  tools: MediaTools;
  /** What that owner holds. */
  shares: ShareUse[];
}

export function serverFacts(parts: ServerFactsParts): AnswerOf<"get_server"> {
  const { pack, config, sessions, shares, tools } = parts;
  const { text, exemplars, points, maskSeed } = pack.capabilities;
  const prompts = { text, exemplars, points, boxes: points, masks: maskSeed };
  const fieldLimits = Object.entries(FIELD_LIMITS).map(([name, { value }]) => [name, value]);
  const settings = (Object.keys(SERVER_LIMITS) as (keyof typeof SERVER_LIMITS)[]).map((name) => [
    name,
    config[name],
  ]);
  return {
    version,
    protocol: SUBPROTOCOL,
    pack: {
      id: pack.id,
      family: pack.family,
      version: pack.version,
      hash: pack.hash,
      input_size: pack.inputSize,
      capabilities: { text, exemplars, points, mask_seed: maskSeed },
      provider: pack.provider,
    },
    prompts: Object.entries(prompts).flatMap(([kind, isSupported]) => (isSupported ? [kind] : [])),
    mask_formats: [...MASK_FORMATS],
    features: FEATURES,
    limits: Object.fromEntries([...fieldLimits, ...settings]),
    sessions,
    tools: { ffmpeg: tool(tools.ffmpeg), ffprobe: tool(tools.ffprobe), sandbox: tools.sandbox },
    shares,
  };
}

/** No path: where a tool lies is no business of clients. */
function tool(facts: ToolFacts | null) {
  if (!facts) return null;
  const { version, year } = facts;
  return { version, ...(year !== undefined && { year }) };
}
