/** Caps that every server keeps unless configured otherwise; each stops one way of exhausting it. */

export interface Limit {
  value: number;
  unit: string;
  reason: string;
}

/** Caps that are part of the message schemas: exceeding one is an `invalid_field` error. */
export const FIELD_LIMITS = {
  requestIdLength: { value: 128, unit: "characters", reason: "Echoed on every frame of a stream." },
  sessionIdLength: { value: 128, unit: "characters", reason: "Repeated in every log line." },
  pathLength: { value: 4096, unit: "characters", reason: "The longest path Linux takes." },
  phraseLength: { value: 200, unit: "characters", reason: "A concept is a short noun phrase." },
  pointsPerPrompt: {
    value: 256,
    unit: "points",
    reason: "Far above what anyone clicks; bounds the decoder's work.",
  },
  promptsPerPrediction: {
    value: 64,
    unit: "prompts",
    reason: "Each comes back as masks of the whole picture.",
  },
  boxesPerPrompt: { value: 64, unit: "boxes", reason: "Exemplars beyond a handful add nothing but work." },
} as const satisfies Record<string, Limit>;

/** Defaults of the server's settings; the wire does not depend on them. */
export const SERVER_LIMITS = {
  maxMessageBytes: {
    value: 256 * 1024,
    unit: "bytes",
    reason: "A full prompt takes about 20 KB; more is a mistake or an attack.",
  },
  maxPendingRequests: {
    value: 64,
    unit: "requests per connection",
    reason:
      "With this many unanswered requests the server reads no more from the socket until one is answered.",
  },
  maxSessionsPerConnection: {
    value: 8,
    unit: "sessions",
    reason: "Each holds features and memory of its objects.",
  },
  idleTimeoutMs: {
    value: 20 * 60 * 1000,
    unit: "ms",
    reason: "A session nobody uses gives its memory back. Any request or running stream counts as use.",
  },
  expiryWarningMs: {
    value: 60 * 1000,
    unit: "ms",
    reason: "How long before expiry `session_expiring` is sent: time to click once and keep it.",
  },
  heartbeatIntervalMs: {
    value: 30 * 1000,
    unit: "ms",
    reason: "A half-open socket would keep its sessions for ever.",
  },
  maxUploadBytes: { value: 4 * 1024 ** 3, unit: "bytes", reason: "Protects the disk." },
} as const satisfies Record<string, Limit>;
