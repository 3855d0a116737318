/**
 * Every setting of the server in one frozen object. Options in code override `MASKLET_*` variables, and these override
 * defaults. An invalid value fails the start with a message that contains the setting, the value and the expectation.
 */

import { delimiter, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { phrase } from "../protocol/fields.js";
import { SERVER_LIMITS, settingVariable } from "../protocol/limits.js";
import { ADAPTER_NAMES } from "./adapters/names.js";
import { isAddressOrNetwork } from "./http/client-address.js";

const wholeNumber = (min: number, max = Number.MAX_SAFE_INTEGER) =>
  z
    .number({ error: `a whole number from ${min} to ${max}` })
    .int()
    .min(min)
    .max(max);
const text = (expected: string) => z.string({ error: expected }).min(1, { error: expected });
const texts = (expected: string) => z.array(text(expected), { error: `a list of ${expected}` });

export { ADAPTER_NAMES };

/** The longest delay of a Node timer; a longer one fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** One setting for each row of `SERVER_LIMITS`, with its default and its smallest value. */
const limitSettings = Object.fromEntries(
  Object.entries(SERVER_LIMITS).map(([name, { value, min, unit }]) => [
    name,
    wholeNumber(min, unit === "ms" ? MAX_TIMER_MS : undefined).default(value),
  ]),
) as { [Name in keyof typeof SERVER_LIMITS]: z.ZodDefault<z.ZodNumber> };

const schema = z.strictObject({
  /** Address to listen on. Anything but a loopback address opens the server to the network, and needs `keysFile` or `insecure`. */
  host: text("a host name or address").default("127.0.0.1"),
  /** 0 chooses a free port. */
  port: wholeNumber(0, 65535).default(8765),
  /** Folder of the model pack; the embedded `compact` pack when absent. */
  packDir: text("a folder")
    .transform((path) => resolve(path))
    .default(embeddedPack),
  /** ONNX Runtime execution providers, tried in this order. */
  providers: texts("execution provider names")
    .min(1, { error: "at least one execution provider" })
    .default(["cpu"]),
  /** Threads of the inference process; 0 chooses by the number of cores. */
  threads: wholeNumber(0, 1024).default(0),
  /** Folders whose files and subfolders `resource_path` may name; the working directory when absent. */
  mediaRoots: texts("folders").default(() => [process.cwd()]),
  /** Folder for uploads, which outlive the server there; a new temporary folder when absent. */
  uploadDir: text("a folder")
    .transform((path) => resolve(path))
    .optional(),
  /** Folder for saved sessions, which outlive the server there; a temporary folder when absent. */
  saveDir: text("a folder")
    .transform((path) => resolve(path))
    .optional(),
  /** A video that `GET /v1/media` lists first, as "Sample". Its folder must be a media root. */
  sampleClip: text("a file")
    .transform((path) => resolve(path))
    .optional(),
  /** Folder of the annotator page; that of the package when absent. */
  webDir: text("a folder")
    .transform((path) => resolve(path))
    .default(builtPage),
  /** File with the keys of owners, or its lines; without it there are no keys. */
  keysFile: text("a file of keys, or its lines").optional(),
  /** Serves everyone who reaches a `host` that is no loopback address, without keys. */
  insecure: z.boolean({ error: "true or false (1 or 0)" }).default(false),
  /** Names under which the server is reached, besides addresses, `localhost` and `host`; `*` admits all. */
  allowedHosts: z
    .array(text("host names").regex(/^[^\s:/@]+$/, { error: "host names without scheme and port, or *" }), {
      error: "a list of host names",
    })
    .default([]),
  /** Addresses and networks of reverse proxies, whose header X-Forwarded-For names the client. */
  trustedProxies: z
    .array(
      z.string().refine(isAddressOrNetwork, {
        error: "addresses and networks such as 10.0.0.2 or 10.0.0.0/8",
      }),
      { error: "a list of addresses and networks" },
    )
    .default([]),
  /** Origins of web pages on other hosts that may connect; `*` admits all. */
  allowedOrigins: texts("origins such as https://example.org").default([]),
  /** Hosts of cameras that `camera_url` may name, each with or without a port. */
  cameraHosts: texts("host names or addresses").default([]),
  /** Annotation tools that the server serves in their own protocol, each under its name as a prefix. */
  adapters: z
    .array(z.enum(ADAPTER_NAMES), { error: `a list of adapters: ${ADAPTER_NAMES.join(", ")}` })
    .default([]),
  /** Phrases of the detector that the adapter for CVAT offers, each the name of a label; without any there is no detector. */
  cvatLabels: z
    .array(phrase, { error: "a list of phrases" })
    .transform((phrases) => [...new Set(phrases)])
    .default([]),
  /** Where the adapter for Label Studio fetches the media of tasks. Only requests to it carry `labelStudioToken`. */
  labelStudioUrl: z
    .string()
    .refine(isHttpUrl, { error: "an address such as http://localhost:8080" })
    .optional(),
  /** A personal access token, or a legacy token, of a user of Label Studio who may read the tasks. */
  labelStudioToken: text("a token of Label Studio").optional(),
  /** Further hosts of media in tasks of Label Studio, each with or without a port. Requests to them carry no token. */
  labelStudioHosts: texts("host names or addresses").default([]),
  /**
   * How ffmpeg and ffprobe are kept from the network and from files: `auto` as far as the system allows, `required` fails the
   * start where they would keep access to the network, `off` starts them without limits.
   */
  sandbox: z.enum(["auto", "required", "off"], { error: "auto, required or off" }).default("auto"),
  logLevel: z
    .enum(["fatal", "error", "warn", "info", "debug", "trace", "silent"], {
      error: "fatal, error, warn, info, debug, trace or silent",
    })
    .default("info"),
  ...limitSettings,
});

export type ServerConfig = Readonly<z.output<typeof schema>>;
export type ServerOptions = z.input<typeof schema>;
type Setting = keyof typeof schema.shape;

const BOOLEANS: Readonly<Record<string, boolean>> = { "1": true, true: true, "0": false, false: false };

/** Parsers of environment variables; every limit is a number, all other settings are plain text. */
const parsers: Partial<Record<string, (value: string) => unknown>> = {
  port: Number,
  threads: Number,
  ...Object.fromEntries(Object.keys(SERVER_LIMITS).map((name) => [name, Number])),
  providers: (value) => list(value, ","),
  insecure: (value) => BOOLEANS[value.toLowerCase()] ?? value,
  allowedHosts: (value) => list(value, ","),
  trustedProxies: (value) => list(value, ","),
  allowedOrigins: (value) => list(value, ","),
  cameraHosts: (value) => list(value, ","),
  adapters: (value) => list(value, ","),
  cvatLabels: (value) => list(value, ","),
  labelStudioHosts: (value) => list(value, ","),
  mediaRoots: (value) => list(value, delimiter),
};

/** Settings with a shorter name of their variable. */
const SHORT_NAMES: Readonly<Record<string, string>> = { packDir: "pack", keysFile: "keys" };

/** The variable of a setting, such as `MASKLET_MAX_UPLOAD_BYTES`; that of `packDir` is `MASKLET_PACK`. */
export function variableOf(setting: string): string {
  return settingVariable(SHORT_NAMES[setting] ?? setting);
}

/** @throws RangeError for an invalid or unknown setting. */
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
  const value = values[setting];
  const seen = names[setting] ? env[name] : typeof value === "number" ? value : JSON.stringify(value);
  throw new RangeError(`${name} is ${seen}; expected ${issue.message}.`);
}

function isHttpUrl(value: string): boolean {
  return /^https?:\/\//i.test(value) && URL.canParse(value);
}

function list(value: string, separator: string): string[] {
  return value.split(separator).flatMap((part) => part.trim() || []);
}

/** `packs` of this package, both from the sources and from `dist`. */
export function embeddedPacksFolder(): string {
  return fileURLToPath(new URL(isBuilt() ? "../../packs" : "../packs", import.meta.url));
}

function embeddedPack(): string {
  return join(embeddedPacksFolder(), "compact");
}

/** `dist/web` of this package, both from the sources and from `dist`. */
function builtPage(): string {
  return fileURLToPath(new URL(isBuilt() ? "../web" : "../dist/web", import.meta.url));
}

function isBuilt(): boolean {
  return /[\\/]dist[\\/]server[\\/][^\\/]*$/.test(fileURLToPath(import.meta.url));
}
