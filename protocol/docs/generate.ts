/** The parts of the documents that are generated from the code, and the examples that they show. */
import { readFileSync } from "node:fs";
import { CLOSE_CODES } from "../close-codes.js";
import { ERRORS, type ErrorCode } from "../errors.js";
import { lowResMask } from "../fields.js";
import {
  framePictureQuerySchema,
  framePicturesQuerySchema,
  mediaQuerySchema,
  resultsQuerySchema,
} from "../http-queries.js";
import {
  FIELD_LIMITS,
  FIXED_LIMITS,
  type Limit,
  MEDIA_LIMITS,
  SERVER_LIMITS,
  settingVariable,
} from "../limits.js";
import { policySchema } from "../policy.js";
import {
  importFormatSchema,
  mediaEntrySchema,
  mediaListingSchema,
  savedSummarySchema,
  sessionSummarySchema,
} from "../replies/sessions.js";
import { objectState } from "../replies/states.js";
import { affected } from "../replies/undo.js";
import {
  ANSWER_FIELDS,
  ANSWER_SCHEMAS,
  type AnsweredType,
  doneSchema,
  errorSchema,
  eventSchemas,
  frameDroppedSchema,
  frameSchema,
  outputsSchema,
  uploadQuerySchema,
  uploadSchema,
} from "../replies.js";
import {
  COMMON_ERRORS,
  MESSAGE_ERRORS,
  PUSH_ERRORS,
  REQUEST_ERRORS,
  SESSION_ERRORS,
  UPLOAD_ERRORS,
} from "../request-errors.js";
import { pushFrameSchema } from "../requests/live.js";
import { ackSchema, REQUEST_SCHEMAS } from "../requests.js";
import { SHARES } from "../shares.js";
import { fieldTable, table } from "./field-table.js";

const envelope = ["type", "request_id", "seq"];

/** The documents with generated parts, relative to the root of the repository. */
export const DOCUMENTS = [
  "PROTOCOL.md",
  "README.md",
  "docs/guides/batch.md",
  "docs/guides/correct.md",
  "docs/guides/live.md",
  "docs/guides/program.md",
  "docs/library.md",
  "docs/policy.md",
] as const;

/** Every part under the name of its marker. */
export const PARTS: Readonly<Record<string, string>> = {
  ...mapEntries(REQUEST_SCHEMAS, (type, schema) => [
    `request ${type}`,
    fieldTable("request", schema, envelope),
  ]),
  ...mapEntries(ANSWER_SCHEMAS, (type, schema) => {
    const isInFields = "session_id" in ANSWER_FIELDS[type as AnsweredType];
    return [
      `answer ${type}`,
      fieldTable("reply", schema, isInFields ? envelope : [...envelope, "session_id"]),
    ];
  }),
  ...mapEntries(REQUEST_ERRORS, (type, codes) => [`errors of ${type}`, `Errors: ${codeList(codes)}.`]),
  "errors of every request": [
    `Errors of every request: ${codeList(COMMON_ERRORS)}.`,
    `Errors of every request about a session: ${codeList(SESSION_ERRORS)}.`,
    `Errors of messages that are not a request: ${codeList(MESSAGE_ERRORS)}.`,
  ].join("\n\n"),
  "errors of uploads": Object.entries(UPLOAD_ERRORS)
    .map(([method, codes]) => `Errors of \`${method}\`: ${codeList(codes)}.`)
    .join("\n\n"),
  ...mapEntries(eventSchemas, (event, schema) => [
    `event ${event}`,
    fieldTable("reply", schema, ["type", "seq"]),
  ]),
  ack: fieldTable("request", ackSchema, ["type"]),
  frame: fieldTable("reply", frameSchema, envelope),
  push_frame: fieldTable("request", pushFrameSchema, ["type"]),
  frame_dropped: fieldTable("reply", frameDroppedSchema, envelope),
  "errors of push_frame": `Errors of \`push_frame\`: ${codeList(PUSH_ERRORS)}, and those of every request about a session.`,
  done: fieldTable("reply", doneSchema, envelope),
  error: fieldTable("reply", errorSchema, ["type", "session_id", "seq"]),
  outputs: fieldTable("reply", outputsSchema),
  "object-states": fieldTable("reply", objectState),
  affected: fieldTable("reply", affected.element),
  "low-resolution-masks": fieldTable("reply", lowResMask),
  policy: fieldTable("request", policySchema),
  "frame picture query": fieldTable("request", framePictureQuerySchema),
  "frame pictures query": fieldTable("request", framePicturesQuerySchema),
  "results query": fieldTable("request", resultsQuerySchema),
  "media query": fieldTable("request", mediaQuerySchema),
  "session summary": fieldTable("reply", sessionSummarySchema),
  "saved summary": fieldTable("reply", savedSummarySchema),
  "import format": fieldTable("reply", importFormatSchema),
  "media entry": fieldTable("reply", mediaEntrySchema),
  "media listing": fieldTable("reply", mediaListingSchema),
  "upload query": fieldTable("request", uploadQuerySchema),
  upload: fieldTable("reply", uploadSchema),
  errors: table(
    ["Code", "Ends", "Retryable", "Meaning"],
    Object.entries(ERRORS).map(([code, { scope, retryable, meaning }]) => [
      `\`${code}\``,
      `the ${scope}`,
      retryable ? "yes" : "no",
      meaning,
    ]),
  ),
  "close codes": table(
    ["Code", "Reason", "Connect again", "Meaning"],
    Object.values(CLOSE_CODES).map(({ code, reason, reconnect, meaning }) => [
      String(code),
      reason && `\`${reason}\``,
      reconnect ? "yes" : "no: fatal",
      meaning,
    ]),
  ),
  "field limits": limitTable(FIELD_LIMITS),
  "server limits": limitTable(SERVER_LIMITS, settingVariable),
  shares: table(
    ["Share", "Unit", "Limit of one owner", "Limit of all owners", "Code", "What the limits prevent"],
    Object.entries(SHARES).map(([name, { unit, perOwner, inAll, code, attack }]) => [
      `\`${name}\``,
      unit,
      `\`${perOwner}\``,
      `\`${inAll}\``,
      `\`${code}\``,
      attack,
    ]),
  ),
  "fixed limits": limitTable({ ...MEDIA_LIMITS, ...FIXED_LIMITS }),
};

/** `document` with the text between each `<!-- generated: NAME -->` and `<!-- end -->` replaced. */
export function fillIn(document: string): string {
  return document.replace(
    /(<!-- generated: (.+?) -->\n)[\s\S]*?(<!-- end -->)/g,
    (_, start: string, name: string, end: string) => {
      const part = name.startsWith("example ") ? example(name.slice("example ".length)) : PARTS[name];
      if (part === undefined) throw new RangeError(`no generated part has the name "${name}"`);
      return `${start}\n${part}\n\n${end}`;
    },
  );
}

/** A file of `clients/examples` as a sample of code. */
function example(file: string): string {
  const code = readFileSync(new URL(`../../clients/examples/${file}`, import.meta.url), "utf8");
  return `\`\`\`${file.endsWith(".py") ? "python" : "ts"}\n${code}\`\`\``;
}

/** With `variableOf`, a column names the environment variable that changes each limit. */
function limitTable(limits: Record<string, Limit>, variableOf?: (name: string) => string): string {
  const rows = Object.entries(limits).map(([name, { value, unit, reason }]) => [
    `\`${name}\``,
    `${value.toLocaleString("en-US")} ${unit}`,
    ...(variableOf ? [`\`${variableOf(name)}\``] : []),
    reason,
  ]);
  return table(["Limit", "Value", ...(variableOf ? ["Variable"] : []), "Why"], rows);
}

function codeList(codes: readonly ErrorCode[]): string {
  return codes.map((code) => `\`${code}\``).join(", ");
}

function mapEntries<T>(
  record: Readonly<Record<string, T>>,
  entry: (key: string, value: T) => [string, string],
): Record<string, string> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => entry(key, value)));
}
