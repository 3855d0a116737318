import { FIXED_LIMITS } from "./limits.js";

/**
 * Why a socket was closed. Codes from 4400 on belong to masklet; their last three digits are those of a similar HTTP status.
 * `reconnect` is false for fatal codes: a client that connects again would be disconnected again.
 */
export const CLOSE_CODES = {
  goingAway: {
    code: 1001,
    reason: "shutting_down",
    reconnect: true,
    meaning: "The server is stopping; connect again later. Its sessions have ended.",
  },
  invalidFrame: {
    code: 1002,
    reason: "",
    reconnect: false,
    meaning: "The client sent bytes that are no WebSocket frame.",
  },
  lost: {
    code: 1006,
    reason: "",
    reconnect: true,
    meaning: "Not sent by the server: the connection was lost.",
  },
  invalidText: {
    code: 1007,
    reason: "",
    reconnect: false,
    meaning: "The client sent a text message that is not UTF-8.",
  },
  tooManyFragments: {
    code: 1008,
    reason: "",
    reconnect: false,
    meaning: "A message had more than `messageFragments` fragments.",
  },
  messageTooLarge: {
    code: 1009,
    reason: "",
    reconnect: false,
    meaning:
      "A text message exceeded `maxMessageBytes`, or a binary message `maxFrameBytes`. It would exceed it again.",
  },
  unauthenticated: {
    code: 4401,
    reason: "unauthenticated",
    reconnect: false,
    meaning:
      "The server requires a key, and the client sent none in time, or an invalid one, or another message first; or the key was removed from the server.",
  },
  noHeartbeat: {
    code: 4408,
    reason: "no_heartbeat",
    reconnect: true,
    meaning: `For ${FIXED_LIMITS.maxSilentHeartbeats.value} heartbeat intervals the client sent nothing, answered no ping and read no data.`,
  },
  serverBusy: {
    code: 4503,
    reason: "server_busy",
    reconnect: true,
    meaning:
      "The unfinished messages of the owner, or of all owners, exceeded `messageBytes`, or the owner of the key that the client sent has too many `connections`, see [Shares](#shares).",
  },
  internal: {
    code: 4500,
    reason: "internal",
    reconnect: true,
    meaning: "An internal error outside any request.",
  },
} as const;
