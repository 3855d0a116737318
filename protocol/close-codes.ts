/** Why the server closes a socket. Codes from 4400 on are ours and echo the HTTP status they resemble. */
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
    meaning: "For four heartbeat intervals the client sent nothing, answered no ping and took no data.",
  },
  internal: { code: 4500, reason: "internal", meaning: "A fault of the server outside any request." },
} as const;
