/**
 * Every setting of the server in one frozen object. Options given in code win over `MASKLET_*` variables, those over
 * defaults. A value that makes no sense stops the start, with a message that names the setting, the value and what was
 * expected.
 */

import { delimiter, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { SERVER_LIMITS } from "../protocol/limits.js";

const wholeNumber = (min: number, max = Number.MAX_SAFE_INTEGER) =>
  z
    .number({ error: `a whole number from ${min} to ${max}` })
    .int()
    .min(min)
    .max(max);
const text = (expected: string) => z.string({ error: expected }).min(1, { error: expected });
const texts = (expected: string) => z.array(text(expected), { error: `a list of ${expected}` });
const limit = (name: keyof typeof SERVER_LIMITS, min: number) =>
  wholeNumber(min).default(SERVER_LIMITS[name].value);

const schema = z.strictObject({
  /** Address to listen on. Anything but a loopback address opens the server to the network. */
  host: text("a host name or address").default("127.0.0.1"),
  /** 0 takes a free one. */
  port: wholeNumber(0, 65535).default(8765),
  /** Folder of the model pack; the embedded `compact` pack when absent. */
  packDir: text("a folder")
    .transform((path) => resolve(path))
    .default(embeddedPack),
  /** ONNX Runtime execution providers, tried in this order. */
  providers: texts("execution provider names")
    .min(1, { error: "at least one execution provider" })
    .default(["cpu"]),
  /** Threads of the inference process; 0 chooses by the machine. */
  threads: wholeNumber(0, 1024).default(0),
  /** Folders `resource_path` may lie under; the working directory when absent. */
  mediaRoots: texts("folders").default(() => [process.cwd()]),
  /** Where uploads are kept; a fresh temporary folder when absent. */
  uploadDir: text("a folder").optional(),
  /** Origins of web pages on other hosts that may connect; `*` admits all. */
  allowedOrigins: texts("origins such as https://example.org").default([]),
  logLevel: z
    .enum(["fatal", "error", "warn", "info", "debug", "trace", "silent"], {
      error: "fatal, error, warn, info, debug, trace or silent",
    })
    .default("info"),
  /** Sessions of all clients together. */
  maxSessions: wholeNumber(1).default(32),
  maxSessionsPerConnection: limit("maxSessionsPerConnection", 1),
  /** A connection with this many unanswered requests is not read from until one is answered. */
  maxPendingRequests: limit("maxPendingRequests", 1),
  maxMessageBytes: limit("maxMessageBytes", 1024),
  /** Bytes waiting for a slow reader from which on the model waits too. */
  maxBufferedBytes: wholeNumber(1).default(1024 * 1024),
  maxUploadBytes: limit("maxUploadBytes", 1),
  idleTimeoutMs: limit("idleTimeoutMs", 1),
  /** How long before an idle session expires its client is told. */
  expiryWarningMs: limit("expiryWarningMs", 0),
  /** How often a silent socket is asked whether it is alive; it is dropped after four intervals without a sign. */
  heartbeatIntervalMs: limit("heartbeatIntervalMs", 100),
  /** How long streams get to say good-bye when the server stops. */
  shutdownGraceMs: wholeNumber(0).default(3_000),
});

export type ServerConfig = Readonly<z.output<typeof schema>>;
export type ServerOptions = z.input<typeof schema>;
type Setting = keyof typeof schema.shape;

/** How a variable's text becomes a setting; settings that are missing here are plain text. */
const parsers: Partial<Record<Setting, (value: string) => unknown>> = {
  port: Number,
  threads: Number,
  maxSessions: Number,
  maxSessionsPerConnection: Number,
  maxPendingRequests: Number,
  maxMessageBytes: Number,
  maxBufferedBytes: Number,
  maxUploadBytes: Number,
  idleTimeoutMs: Number,
  expiryWarningMs: Number,
  heartbeatIntervalMs: Number,
  shutdownGraceMs: Number,
  providers: (value) => list(value, ","),
  allowedOrigins: (value) => list(value, ","),
  mediaRoots: (value) => list(value, delimiter),
};

/** `maxUploadBytes` is set by `MASKLET_MAX_UPLOAD_BYTES`, `packDir` by `MASKLET_PACK`, and so on. */
export function variableOf(setting: string): string {
  if (setting === "packDir") return "MASKLET_PACK";
  return `MASKLET_${setting.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** @throws RangeError for a setting that makes no sense. */
export function readConfig(options: ServerOptions = {}, env: NodeJS.ProcessEnv = process.env): ServerConfig {
  const values: Record<string, unknown> = {};
  const names: Record<string, string> = {};
  for (const setting of Object.keys(schema.shape) as Setting[]) {
    const fromEnv = env[variableOf(setting)];
    if (options[setting] !== undefined) values[setting] = options[setting];
    else if (fromEnv !== undefined && fromEnv !== "") {
      values[setting] = (parsers[setting] ?? String)(fromEnv);
      names[setting] = variableOf(setting);
    }
  }
  for (const key of Object.keys(options)) if (!(key in schema.shape)) values[key] = options[key as Setting];

  const parsed = schema.safeParse(values);
  if (parsed.success) return Object.freeze(parsed.data);
  const issue = parsed.error.issues[0] as z.core.$ZodIssue;
  if (issue.code === "unrecognized_keys")
    throw new RangeError(`There is no setting ${issue.keys.join(", ")}.`);
  const setting = String(issue.path[0]);
  const name = names[setting] ?? setting;
  const seen = names[setting] ? env[name] : JSON.stringify(values[setting]);
  throw new RangeError(`${name} is ${seen}; expected ${issue.message}.`);
}

function list(value: string, separator: string): string[] {
  return value.split(separator).flatMap((part) => part.trim() || []);
}

/** `packs/compact` of this package, found from the sources and from `dist` alike. */
function embeddedPack(): string {
  const fromDist = /[\\/]dist[\\/]server[\\/][^\\/]*$/.test(fileURLToPath(import.meta.url));
  return fileURLToPath(new URL(fromDist ? "../../packs/compact" : "../packs/compact", import.meta.url));
}
