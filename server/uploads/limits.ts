import type { ServerConfig } from "../config.js";

/** The registry of limits documents each. */
export type UploadLimits = Pick<
  ServerConfig,
  "maxUploadBytes" | "maxUploadEntries" | "uploadLifetimeMs" | "unfinishedLifetimeMs" | "minUploadBytesPerS"
>;
