/**
 * The registry of the limits that PROTOCOL.md documents. Each exists once, here; schemas, settings, defaults and PROTOCOL.md
 * read it. Bounds of single modules are constants beside their use.
 *
 * `FIELD_LIMITS` belong to the protocol: every server enforces the same values. `SERVER_LIMITS` are defaults of settings:
 * the name is the name of the setting. `MEDIA_LIMITS` and `FIXED_LIMITS` protect the server and have no setting.
 */

export interface Limit {
  value: number;
  unit: string;
  /** What the limit protects, or why it has this value. */
  reason: string;
}

export interface ConfigurableLimit extends Limit {
  /** The smallest value the setting accepts. */
  min: number;
}

/** Limits of message fields. A request that exceeds one fails with `invalid_field`. */
export const FIELD_LIMITS = {
  requestIdLength: { value: 128, unit: "characters", reason: "Every frame of a stream repeats it." },
  sessionIdLength: { value: 128, unit: "characters", reason: "Every log line of the session repeats it." },
  sessionTokenLength: { value: 128, unit: "characters", reason: "The server's own tokens have 32." },
  uploadIdLength: { value: 128, unit: "characters", reason: "The server's own ids have 36." },
  filenameLength: { value: 255, unit: "characters", reason: "The longest file name of common file systems." },
  pathLength: { value: 4096, unit: "characters", reason: "The longest path Linux accepts." },
  phraseLength: { value: 200, unit: "characters", reason: "A concept is a short noun phrase." },
  nameLength: {
    value: 200,
    unit: "characters",
    reason: "A name of an object or a concept is a short label.",
  },
  objectsPerPropagation: {
    value: 4096,
    unit: "objects",
    reason: "The list `obj_ids` is compared with the objects of the session.",
  },
  objectsPerMerge: { value: 256, unit: "objects", reason: "One edit rewrites all their stored masks." },
  masksPerLock: {
    value: 65_536,
    unit: "masks",
    reason: "A session keeps each locked mask in the inference process. Also the limit of a session.",
  },
  pointsPerPrompt: {
    value: 256,
    unit: "points",
    reason: "Far above what people click; bounds the work of the mask decoder.",
  },
  suspectsPerAnswer: {
    value: 1000,
    unit: "suspects",
    reason: "Far more than anybody checks at once.",
  },
  verticesPerMask: {
    value: 10_000,
    unit: "vertices",
    reason: "All polygons of a mask together; bounds the work of drawing them.",
  },
  edgesPerMask: {
    value: 1_000_000,
    unit: "pixels",
    reason:
      "Pixels of a mask picture that differ from the one above them; each takes memory and time. The masks of objects in photographs have thousands.",
  },
  promptsPerPrediction: {
    value: 64,
    unit: "prompts",
    reason: "The answer contains masks of the whole picture for each prompt.",
  },
  boxesPerPrompt: {
    value: 64,
    unit: "boxes",
    reason: "More exemplars add work but do not improve the result.",
  },
  conceptsPerSession: {
    value: 256,
    unit: "concepts",
    reason: "The largest `policy.max_num_concepts`: every concept adds time to every frame.",
  },
  polygonTolerancePx: { value: 1000, unit: "pixels", reason: "Beyond it every outline is a triangle." },
  framesPerWindow: {
    value: 1024,
    unit: "frames",
    reason: "A window covers a round trip, not a video: more frames in flight only use memory.",
  },
} as const satisfies Record<string, Limit>;

/** Default values of the server's settings. Clients must not depend on them. */
export const SERVER_LIMITS = {
  maxConnections: {
    value: 1000,
    unit: "sockets",
    min: 1,
    reason:
      "HTTP and WebSocket together. The server lowers it to a third of the file descriptors its process may open.",
  },
  maxConnectionsPerOwner: {
    value: 256,
    unit: "sockets",
    min: 1,
    reason: "Counted by address until the client has sent a key, then by the owner of the key.",
  },
  maxRequestsPerMinutePerOwner: {
    value: 60_000,
    unit: "requests",
    min: 1,
    reason:
      "Eight live sessions push 15,000 frames a minute. A client without a pause between requests makes more.",
  },
  maxRequestsPerMinute: {
    value: 240_000,
    unit: "requests",
    min: 1,
    reason: "All owners together; the thread that serves the sockets parses each request.",
  },
  maxMessageBytes: {
    value: 256 * 1024,
    unit: "bytes",
    min: 1024,
    reason: "A full prompt takes about 20 KB; more is a mistake or an attack.",
  },
  maxMessageBytesPerOwner: {
    value: 128 * 1024 ** 2,
    unit: "bytes",
    min: 1024 ** 2,
    reason: "Of messages that have begun to arrive, in whole MiB: eight of the largest frames at once.",
  },
  maxTotalMessageBytes: {
    value: 512 * 1024 ** 2,
    unit: "bytes",
    min: 1024 ** 2,
    reason: "All owners together; unfinished messages are in memory.",
  },
  maxFrameBytes: {
    value: 16 * 1024 ** 2,
    unit: "bytes",
    min: 1024,
    reason: "One `push_frame`, header and picture: a JPEG of 4K video has about 2 MB.",
  },
  liveFramesKept: {
    value: 256,
    unit: "frames per live session",
    min: 1,
    reason: "The last frames of a live session, which prompts may name; kept as they were pushed.",
  },
  liveBytesKept: {
    value: 64 * 1024 ** 2,
    unit: "bytes per live session",
    min: 1,
    reason: "Bytes of the frames that a live session keeps; the newest one is always kept.",
  },
  maxPendingRequests: {
    value: 64,
    unit: "requests per connection",
    min: 1,
    reason: "With this many unanswered requests the server stops reading the socket until it answers one.",
  },
  maxBufferedBytes: {
    value: 1024 * 1024,
    unit: "bytes per connection",
    min: 1,
    reason: "With this many unsent bytes the server computes no further frame for the connection.",
  },
  maxSessions: {
    value: 32,
    unit: "sessions",
    min: 1,
    reason: "All owners together; each session keeps features, memory and a decoder.",
  },
  maxSessionsPerOwner: {
    value: 8,
    unit: "sessions",
    min: 1,
    reason: "One owner cannot take all sessions of the server.",
  },
  maxConceptsPerOwner: {
    value: 128,
    unit: "concepts",
    min: 1,
    reason: "In all sessions of the owner; each concept adds time to every frame.",
  },
  maxConcepts: {
    value: 512,
    unit: "concepts",
    min: 1,
    reason: "All owners together; each concept takes memory in the inference process.",
  },
  maxObjectsPerOwner: {
    value: 1024,
    unit: "objects",
    min: 1,
    reason: "In all sessions of the owner; each object adds time to every frame.",
  },
  maxObjects: {
    value: 4096,
    unit: "objects",
    min: 1,
    reason: "All owners together; each object takes memory in the inference process.",
  },
  maxPredictedPixelsPerOwner: {
    value: 1024 ** 3,
    unit: "pixels",
    min: 1,
    reason:
      "Pixels of all masks that running `predict` requests of the owner compute: 85 masks of a 12-megapixel photograph.",
  },
  maxPredictedPixels: {
    value: 4 * 1024 ** 3,
    unit: "pixels",
    min: 1,
    reason: "All owners together; each pixel takes time of the inference process.",
  },
  maxProbesPerOwner: {
    value: 2,
    unit: "processes",
    min: 1,
    reason:
      "Videos that are inspected or indexed at once; further ones wait. One owner cannot delay the videos of others.",
  },
  maxProbes: {
    value: 4,
    unit: "processes",
    min: 1,
    reason: "All owners together; each inspection keeps a core busy.",
  },
  maxDecodersPerOwner: {
    value: 16,
    unit: "processes",
    min: 1,
    reason:
      "Each session decodes for a propagation and for a click at once. A decoder of pictures above 4K counts as up to 8, by its memory.",
  },
  maxDecoders: {
    value: 64,
    unit: "processes",
    min: 1,
    reason: "All owners together; each decoder takes memory for its pictures.",
  },
  maxPictureBytesPerOwner: {
    value: 1.25 * 1024 ** 3,
    unit: "bytes",
    min: 1024 ** 2,
    reason: "Memory of the pictures that are decoded at once for the owner; further ones wait.",
  },
  maxPictureBytes: {
    value: 1.5 * 1024 ** 3,
    unit: "bytes",
    min: 1024 ** 2,
    reason: "All owners together: some room remains for others while one owner decodes the largest picture.",
  },
  maxLogBytes: {
    value: 16 * 1024 ** 2,
    unit: "bytes per session",
    min: 1,
    reason:
      "Results that are kept for clients that attach again. Half of it must cover what buffers of the network hold; the other half is the room for results while no client is attached.",
  },
  idleTimeoutMs: {
    value: 20 * 60 * 1000,
    unit: "ms",
    min: 1,
    reason:
      "An unused session releases its memory. Requests, each `ack`, and a stream that makes progress count as use.",
  },
  expiryWarningMs: {
    value: 60 * 1000,
    unit: "ms",
    min: 0,
    reason: "How long before expiry `session_expiring` is sent: enough time for one more request.",
  },
  authenticationMs: {
    value: 10 * 1000,
    unit: "ms",
    min: 1,
    reason: "Time in which a WebSocket without a key must send one: an idle socket cannot keep a place.",
  },
  heartbeatIntervalMs: {
    value: 30 * 1000,
    unit: "ms",
    min: 100,
    reason: "Time between pings. Without them a half-open socket would count as a connection forever.",
  },
  engineStallMs: {
    value: 15_000,
    unit: "ms",
    min: 1000,
    reason:
      "An inference process that neither answers nor uses the CPU for this long is replaced. A long graph run uses the CPU.",
  },
  engineRunTimeoutMs: {
    value: 10 * 60 * 1000,
    unit: "ms",
    min: 1000,
    reason:
      "Longest time of one graph run; the inference process is replaced after it. Full-size models take a minute on a CPU.",
  },
  drainMs: {
    value: 20 * 1000,
    unit: "ms",
    min: 0,
    reason:
      "How long streams and requests may continue after the first stop signal, before the server stops.",
  },
  shutdownGraceMs: {
    value: 3000,
    unit: "ms",
    min: 0,
    reason: "Time for last messages when the server stops. After it, open sockets are destroyed.",
  },
  maxResultBytes: {
    value: 64 * 1024 * 1024,
    unit: "bytes per session",
    min: 1024,
    reason:
      "Stored results of frames, about 1 KB per object and frame. Beyond it, the frames farthest from the latest one are dropped.",
  },
  maxSavedBytes: {
    value: 2 * 1024 ** 3,
    unit: "bytes",
    min: 1,
    reason: "One saved session cannot fill the disk.",
  },
  maxSavedPerOwner: {
    value: 64,
    unit: "saved sessions",
    min: 1,
    reason: "One client cannot take the whole disk.",
  },
  savedLifetimeMs: {
    value: 7 * 24 * 60 * 60 * 1000,
    unit: "ms",
    min: 1,
    reason: "A saved session is deleted after this time. Clients keep the files that they download.",
  },
  maxUploadBytes: { value: 4 * 1024 ** 3, unit: "bytes", min: 1, reason: "One upload cannot fill the disk." },
  maxTotalUploadBytes: {
    value: 16 * 1024 ** 3,
    unit: "bytes",
    min: 1,
    reason: "All uploads together, including unfinished ones, cannot fill the disk.",
  },
  maxDiskBytesPerOwner: {
    value: 8 * 1024 ** 3,
    unit: "bytes",
    min: 1,
    reason: "Uploads and saved sessions of the owner, unfinished uploads included.",
  },
  maxUploadsPerOwner: {
    value: 128,
    unit: "uploads",
    min: 1,
    reason: "One owner cannot take all places for uploads.",
  },
  maxTransfersPerOwner: {
    value: 16,
    unit: "requests",
    min: 1,
    reason: "Bodies of uploads that arrive at once. One owner cannot take all places with slow ones.",
  },
  maxTransfers: {
    value: 64,
    unit: "requests",
    min: 1,
    reason: "All owners together; each body has an open file.",
  },
  maxUploads: {
    value: 256,
    unit: "uploads",
    min: 1,
    reason: "Bounds files and open descriptors, including those of unfinished uploads.",
  },
  maxUploadEntries: {
    value: 100_000,
    unit: "entries per archive or form",
    min: 1,
    reason: "Bounds the files and the names of one upload. Every entry counts, also one that is left out.",
  },
  uploadLifetimeMs: {
    value: 60 * 60 * 1000,
    unit: "ms",
    min: 1,
    reason: "An upload that no session uses for this long is deleted.",
  },
  unfinishedLifetimeMs: {
    value: 30 * 60 * 1000,
    unit: "ms",
    min: 1,
    reason:
      "A resumable upload that receives no byte for this long is deleted. Clients try again for minutes; this also covers a computer that was asleep.",
  },
  minUploadBytesPerS: {
    value: 1024,
    unit: "bytes per second",
    min: 0,
    reason:
      "A slower body ends with `upload_too_slow`, and its place is free. Slow mobile networks reach several times as much. 0 permits any rate.",
  },
} as const satisfies Record<string, ConfigurableLimit>;

/** Limits of one media file: they reject small files that ask for a lot of work or memory. */
export const MEDIA_LIMITS = {
  maxPixels: {
    value: 128 * 1024 * 1024,
    unit: "pixels per picture",
    reason: "Compared with the size in the file's header; each pixel takes 3 bytes of memory.",
  },
  maxSidePx: {
    value: 65_535,
    unit: "pixels per side of a picture",
    reason: "Decoders keep many rows of a picture in memory. JPEG has the same limit.",
  },
  maxPictureFileBytes: {
    value: 512 * 1024 ** 2,
    unit: "bytes per picture file",
    reason:
      "The decoder has the whole file in memory. A picture of the largest size takes less, uncompressed.",
  },
  maxFrames: {
    value: 2_000_000,
    unit: "frames per video or folder",
    reason: "The frame index takes 8 bytes of memory for each.",
  },
  minBytesPerFrame: {
    value: 8,
    unit: "bytes of the file per frame",
    reason:
      "From 10,000 frames on. Encoders write more, also for a picture that repeats. A smaller file would cause the work of a large one.",
  },
  stallTimeoutMs: {
    value: 120_000,
    unit: "ms",
    reason: "Time ffmpeg and ffprobe may produce no output while a frame or the index is awaited.",
  },
} as const satisfies Record<string, Limit>;

/** Limits of sockets and uploads that have no setting. */
export const FIXED_LIMITS = {
  maxPendingPushBytes: {
    value: 32 * 1024 ** 2,
    unit: "bytes per connection",
    reason:
      "With this many bytes of pushed frames without an answer the server stops reading the socket until it answers one.",
  },
  rememberedMasks: {
    value: 65_536,
    unit: "masks per session",
    reason: "Hashes for `changed_only`. Beyond it, the masks of the frames sent longest ago are sent again.",
  },
  unfinishedMessageBytes: {
    value: 1024 ** 2,
    unit: "bytes",
    reason:
      "The share `messageBytes` counts an unfinished message in steps of this size; a smaller one does not count.",
  },
  maxSilentHeartbeats: {
    value: 4,
    unit: "heartbeat intervals",
    reason: "A socket is closed after this many intervals without any sign of life.",
  },
  stalledSocketMs: {
    value: 10 * 60_000,
    unit: "ms",
    reason: "An HTTP socket without traffic is closed. Longer than the inspection of an upload takes.",
  },
  requestsPerSocket: {
    value: 100,
    unit: "HTTP requests per connection",
    reason:
      "The answer to the last one closes the connection. One client cannot occupy the server with pipelined requests.",
  },
  messageFragments: {
    value: 65_536,
    unit: "fragments per message",
    reason:
      "Each fragment of a WebSocket message takes memory beside its bytes. The socket closes with 1008.",
  },
  leftOutListed: {
    value: 100,
    unit: "files per folder or archive",
    reason:
      "`left_out` and `taken` list at most this many files; `left_out_count` and `num_frames` count all.",
  },
  archiveExpansion: {
    value: 100,
    unit: "times the size of an archive",
    reason:
      "With `archiveExpansionSlack`, the most that an archive may expand to: more is a decompression bomb.",
  },
  archiveExpansionSlack: {
    value: 64 * 1024 ** 2,
    unit: "bytes",
    reason:
      "Every archive may expand by this much more, so that small archives of plain pictures are accepted.",
  },
  leftOutBytes: {
    value: 16 * 1024 ** 2,
    unit: "bytes of a form",
    reason:
      "A form must begin a picture, a video or an archive within this many bytes; nothing else of it is stored.",
  },
  uploadLagMs: {
    value: 45_000,
    unit: "ms",
    reason:
      "How far a body may fall behind `minUploadBytesPerS`. A mobile network that is interrupted for half a minute is not cut off.",
  },
  transferMs: {
    value: 24 * 60 * 60 * 1000,
    unit: "ms",
    reason:
      "The longest time for the body of one request, so that no place is taken forever. A resumable upload continues with another request.",
  },
  unfinishedAgeMs: {
    value: 7 * 24 * 60 * 60 * 1000,
    unit: "ms",
    reason: "A resumable upload that is not complete after this time is deleted.",
  },
  repeatedPictures: {
    value: 30,
    unit: "damaged pictures in a row",
    reason: "Up to this many show the nearest readable picture of their folder; more are an error.",
  },
  unattachedGraceMs: {
    value: 60_000,
    unit: "ms",
    reason:
      "When the server is full, an idle session without a connection for this long is ended in favour of a new one of another owner.",
  },
  unauthenticatedBytes: {
    value: 64 * 1024,
    unit: "bytes per connection",
    reason: "A WebSocket that sends more before its key is accepted is destroyed; a key takes 200 bytes.",
  },
  failedKeysPerMinute: {
    value: 10,
    unit: "invalid keys per address",
    reason:
      "Further ones fail with `rate_limit`. It bounds the work for a client that tries keys; valid keys are always accepted.",
  },
  picturesPerRequest: {
    value: 256,
    unit: "frames",
    reason: "One request over HTTP does not keep a decoder for a whole video.",
  },
  mediaListed: {
    value: 1000,
    unit: "files of a folder",
    reason: "The answer reads the first bytes of each; `left_out_count` counts the others.",
  },
  mediaRead: {
    value: 100_000,
    unit: "names of a folder",
    reason: "The names are in memory while they are sorted; further ones are not seen.",
  },
  framePicturePixels: {
    value: 4096 * 2160,
    unit: "pixels",
    reason:
      "Pictures of frames over HTTP are scaled down to this: 4K video keeps its size, and each takes 26 MB of memory.",
  },
  refusalMs: {
    value: 5000,
    unit: "ms",
    reason: "Time a refused socket has to send its request and read the answer before it is destroyed.",
  },
} as const satisfies Record<string, Limit>;

/** The environment variable of a setting: `maxUploadBytes` becomes `MASKLET_MAX_UPLOAD_BYTES`. */
export function settingVariable(setting: string): string {
  return `MASKLET_${setting.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}
