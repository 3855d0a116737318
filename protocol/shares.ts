/**
 * The resources of the server that are divided between its owners. Each row names the settings that limit one owner and all
 * owners together; `SERVER_LIMITS` contains their values and reasons.
 */
import type { ErrorCode } from "./errors.js";
import type { SERVER_LIMITS } from "./limits.js";

type Setting = keyof typeof SERVER_LIMITS;

export interface Share {
  unit: string;
  perOwner: Setting;
  inAll: Setting;
  /** The code of a request that exceeds a limit. */
  code: ErrorCode;
  /** After this time a place is usually free. */
  retryAfterMs: number;
  /** What one client could do without the limit. */
  attack: string;
}

export const SHARES = {
  connections: {
    unit: "sockets",
    perOwner: "maxConnectionsPerOwner",
    inAll: "maxConnections",
    code: "connection_limit",
    retryAfterMs: 5000,
    attack: "One client opens sockets until other clients cannot connect.",
  },
  requests: {
    unit: "requests per minute",
    perOwner: "maxRequestsPerMinutePerOwner",
    inAll: "maxRequestsPerMinute",
    code: "rate_limit",
    retryAfterMs: 1000,
    attack: "One client keeps the thread busy that serves all sockets.",
  },
  messageBytes: {
    unit: "bytes",
    perOwner: "maxMessageBytesPerOwner",
    inAll: "maxTotalMessageBytes",
    code: "server_busy",
    retryAfterMs: 5000,
    attack: "One client leaves a large message unfinished on each of its sockets.",
  },
  sessions: {
    unit: "sessions",
    perOwner: "maxSessionsPerOwner",
    inAll: "maxSessions",
    code: "session_limit",
    retryAfterMs: 10_000,
    attack: "One client starts sessions on several connections until no place is left.",
  },
  concepts: {
    unit: "concepts",
    perOwner: "maxConceptsPerOwner",
    inAll: "maxConcepts",
    code: "concept_limit",
    retryAfterMs: 10_000,
    attack: "Hundreds of phrases make every frame slow for all owners.",
  },
  objects: {
    unit: "objects",
    perOwner: "maxObjectsPerOwner",
    inAll: "maxObjects",
    code: "object_limit",
    retryAfterMs: 10_000,
    attack: "Hundreds of objects make every frame slow and fill the memory.",
  },
  predictedPixels: {
    unit: "pixels",
    perOwner: "maxPredictedPixelsPerOwner",
    inAll: "maxPredictedPixels",
    code: "server_busy",
    retryAfterMs: 2000,
    attack: "A `predict` with many prompts on a large photograph takes many seconds.",
  },
  decoders: {
    unit: "processes",
    perOwner: "maxDecodersPerOwner",
    inAll: "maxDecoders",
    code: "server_busy",
    retryAfterMs: 2000,
    attack: "Streams that are not read hold a decoder each.",
  },
  probes: {
    unit: "processes",
    perOwner: "maxProbesPerOwner",
    inAll: "maxProbes",
    code: "server_busy",
    retryAfterMs: 2000,
    attack: "Small files with millions of packets keep all cores busy while they are indexed.",
  },
  pictureBytes: {
    unit: "bytes",
    perOwner: "maxPictureBytesPerOwner",
    inAll: "maxPictureBytes",
    code: "server_busy",
    retryAfterMs: 2000,
    attack: "A file of a few bytes unfolds to a picture of half a gigabyte.",
  },
  uploads: {
    unit: "uploads",
    perOwner: "maxUploadsPerOwner",
    inAll: "maxUploads",
    code: "upload_limit",
    retryAfterMs: 60_000,
    attack: "Tiny uploads take all places until they expire.",
  },
  transfers: {
    unit: "requests",
    perOwner: "maxTransfersPerOwner",
    inAll: "maxTransfers",
    code: "server_busy",
    retryAfterMs: 5000,
    attack: "Uploads that send one byte now and then take all places.",
  },
  diskBytes: {
    unit: "bytes",
    perOwner: "maxDiskBytesPerOwner",
    inAll: "maxTotalUploadBytes",
    code: "quota_exceeded",
    retryAfterMs: 60_000,
    attack: "One client fills the disk.",
  },
} as const satisfies Record<string, Share>;

export type ShareName = keyof typeof SHARES;
