/** Parses untrusted text or values into requests, or into an error that names the field. */
import type { z } from "zod";
import { decodeEnvelope, type Envelope } from "./envelope.js";
import { type ErrorCode, ProtocolError } from "./errors.js";
import { requestId as requestIdSchema } from "./fields.js";
import { type PushFrameMessage, pushFrameSchema } from "./requests/live.js";
import { type AckMessage, ackSchema, REQUEST_SCHEMAS, type Request, type RequestType } from "./requests.js";

export type ParsedMessage =
  | { requestId: string; request: Request; ack?: never; error?: never }
  | { requestId?: never; ack: AckMessage; request?: never; error?: never }
  | { requestId: string | null; request?: never; ack?: never; error: ProtocolError };

/** Parses one text message. Never throws: an error is returned with the `request_id` of its answer. */
export function parseMessage(text: string): ParsedMessage {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch (cause) {
    const error = new ProtocolError("malformed_json", "expected JSON", undefined, { cause });
    return { requestId: null, error };
  }
  if (!isRecord(message)) {
    const error = new ProtocolError("malformed_json", `expected a JSON object, got ${describe(message)}`);
    return { requestId: null, error };
  }
  if (message.type === "ack") return parseAck(message);
  const { request_id, ...body } = message;
  const id = requestIdSchema.safeParse(request_id);
  if (!id.success) return { requestId: null, error: toProtocolError(id.error, request_id, ["request_id"]) };
  try {
    return { requestId: id.data, request: parseRequest(body) };
  } catch (error) {
    if (error instanceof ProtocolError) return { requestId: id.data, error };
    throw error;
  }
}

function parseAck(message: Record<string, unknown>): ParsedMessage {
  const ack = ackSchema.safeParse(message);
  if (ack.success) return { ack: ack.data };
  return { requestId: null, error: toProtocolError(ack.error, message, []) };
}

export type ParsedBinary =
  | { requestId: string; push: PushFrameMessage; payload: Uint8Array; error?: never }
  | { requestId: string | null; push?: never; payload?: never; error: ProtocolError };

/** Parses one binary message. Never throws. The payload is a view of the message. */
export function parseBinary(bytes: Uint8Array): ParsedBinary {
  let envelope: Envelope;
  try {
    envelope = decodeEnvelope(bytes);
  } catch (cause) {
    const message = `The binary message: ${(cause as Error).message}.`;
    return {
      requestId: null,
      error: new ProtocolError("binary_not_expected", message, undefined, { cause }),
    };
  }
  const { header, payload } = envelope;
  const id = requestIdSchema.safeParse(header.request_id);
  if (!id.success)
    return { requestId: null, error: toProtocolError(id.error, header.request_id, ["request_id"]) };
  try {
    if (header.type !== "push_frame") {
      const message = `type: expected push_frame in a binary message, got ${describe(header.type)}`;
      throw new ProtocolError("unknown_type", message, "type");
    }
    return { requestId: id.data, push: parseFields(pushFrameSchema, withoutNulls(header)), payload };
  } catch (error) {
    if (error instanceof ProtocolError) return { requestId: id.data, error };
    throw error;
  }
}

/**
 * Validates a request without its `request_id`. A field that is null counts as absent, like Python's None.
 * @throws ProtocolError unknown_type, missing_field, unknown_field, invalid_field.
 */
export function parseRequest(body: unknown): Request {
  if (!isRecord(body)) throw new ProtocolError("invalid_field", `expected a request, got ${describe(body)}`);
  const given = withoutNulls(body);
  const { type } = given;
  if (type === undefined) throw new ProtocolError("missing_field", "type: missing", "type");
  if (!isRequestType(type)) {
    if (type === "push_frame") {
      throw new ProtocolError("unknown_type", "type: push_frame is a binary message, got text", "type");
    }
    const known = [...Object.keys(REQUEST_SCHEMAS), "ack"].join(", ");
    throw new ProtocolError("unknown_type", `type: expected one of ${known}, got ${describe(type)}`, "type");
  }
  return parseFields<z.ZodType<Request>>(REQUEST_SCHEMAS[type], given);
}

/**
 * Checks fields against a schema: those of a request, or of a query over HTTP.
 * @throws ProtocolError missing_field, unknown_field, invalid_field.
 */
export function parseFields<Schema extends z.ZodType>(schema: Schema, fields: unknown): z.output<Schema> {
  const result = schema.safeParse(fields);
  if (result.success) return result.data;
  throw toProtocolError(result.error, fields, []);
}

/** `["points", 0, 1]` becomes `points[0][1]`. */
export function fieldPath(path: readonly PropertyKey[]): string {
  return path
    .map((key, index) => (typeof key === "number" ? `[${key}]` : `${index > 0 ? "." : ""}${String(key)}`))
    .join("");
}

function withoutNulls(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== null && value !== undefined),
  );
}

function isRequestType(type: unknown): type is RequestType {
  return typeof type === "string" && Object.hasOwn(REQUEST_SCHEMAS, type);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function toProtocolError(cause: z.ZodError, input: unknown, prefix: readonly PropertyKey[]): ProtocolError {
  const { code, path, message } = explain(cause.issues, input);
  const field = fieldPath([...prefix, ...path]);
  // The whole input has no name.
  if (field === "") return new ProtocolError(code, message, undefined, { cause });
  return new ProtocolError(code, `${field}: ${message}`, field, { cause });
}

interface Explanation {
  code: ErrorCode;
  path: readonly PropertyKey[];
  message: string;
}

function explain(issues: readonly z.core.$ZodIssue[], input: unknown): Explanation {
  // A misspelt name also causes a "missing" issue; report the misspelling.
  const misspelt = issues.find((issue) => issue.code === "unrecognized_keys");
  if (misspelt) {
    const path = [...misspelt.path, misspelt.keys[0] ?? ""];
    return { code: "unknown_field", path, message: "this request has no such field" };
  }
  const [issue] = issues;
  if (!issue) return { code: "invalid_field", path: [], message: "invalid request" };

  const { path, message } = issue;
  if (issue.code === "custom") {
    return { code: issue.params?.missing === true ? "missing_field" : "invalid_field", path, message };
  }
  const seen = valueAt(input, path);
  if (seen === undefined) return { code: "missing_field", path, message: "missing" };
  return { code: "invalid_field", path, message: `${expectation(issue)}, got ${describe(seen)}` };
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return `expected ${TYPE_NAMES[issue.expected] ?? issue.expected}`;
    case "invalid_value":
      return `expected ${issue.values.map((value) => JSON.stringify(value)).join(" or ")}`;
    case "too_small":
      return `expected ${bound("at least", issue.minimum, issue.origin)}`;
    case "too_big":
      return `expected ${bound("at most", issue.maximum, issue.origin)}`;
    default:
      return issue.message;
  }
}

const TYPE_NAMES: Record<string, string> = {
  int: "an integer",
  number: "a finite number",
  string: "a string",
  boolean: "true or false",
  array: "an array",
  tuple: "an array",
  object: "an object",
  record: "an object",
};

function bound(relation: string, limit: number | bigint, origin: string): string {
  const noun = origin === "array" ? "item" : origin === "string" ? "character" : undefined;
  if (noun === undefined) return `${relation} ${limit}`;
  return `${relation} ${limit} ${noun}${limit === 1 ? "" : "s"}`;
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined),
    input,
  );
}

/** A short description of an untrusted value of any size. */
function describe(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "number") return String(value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === "object" && value !== null) return "an object";
  const text = JSON.stringify(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}…`;
}
