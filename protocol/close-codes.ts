import { FIXED_LIMITS } from "./limits.js";

/**
 * Why the server closes a socket. Codes from 4400 on belong to masklet; their last three digits are those of a similar HTTP
 * status.
 */
export const CLOSE_CODES = {
  goingAway: { code: 1001, reason: "shutting_down", meaning: "The server is stopping; connect again later." },
  messageTooLarge: {
    code: 1009,
    reason: "",
    meaning: "A message exceeded `maxMessageBytes`.",
  },
  noHeartbeat: {
    code: 4408,
    reason: "no_heartbeat",
    meaning: `For ${FIXED_LIMITS.maxSilentHeartbeats.value} heartbeat intervals the client sent nothing, answered no ping and read no data.`,
  },
  internal: { code: 4500, reason: "internal", meaning: "An internal error outside any request." },
} as const;
