/** Fuzzed messages: valid ones by the grammar of the schemas, changed ones, and bytes. */
import { z } from "zod";
import { encodeEnvelope, REQUEST_SCHEMAS } from "../../protocol/index.js";
import type { Random } from "./random.js";

interface JsonSchema {
  type?: string;
  enum?: unknown[];
  const?: unknown;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  properties?: Record<string, JsonSchema>;
  required?: string[];
  items?: JsonSchema | boolean;
  prefixItems?: JsonSchema[];
  minimum?: number;
  maximum?: number;
  maxLength?: number;
  minLength?: number;
}

const grammars: [string, JsonSchema][] = Object.entries(REQUEST_SCHEMAS)
  // Each takes a place of the server; other tasks send them. A wrong key closes the socket, and
  // after detach_session the requests before it get no answer on this connection.
  .filter(
    ([type]) =>
      !["start_session", "load_session", "save_session", "authenticate", "detach_session"].includes(type),
  )
  .map(([type, schema]) => [
    type,
    z.toJSONSchema(schema as z.ZodType, { io: "input", unrepresentable: "any" }) as JsonSchema,
  ]);

/** The model answers these when they are valid. Few of them are sent: the run is a test of messages, not of the model. */
const COSTLY = new Set(["add_prompt", "predict", "propagate_in_video"]);
const COSTLY_SENT = 0.02;

const NUMBERS = [0, 1, -1, 0.5, 1e-320, 1e308, -1e308, 2 ** 31, 2 ** 53, -0, 255, 65_536, 2 ** 64];
const TEXTS = [
  "",
  "dog",
  "\ud800",
  "\udfff\ud800",
  "\0",
  "__proto__",
  "constructor",
  "💡".repeat(80),
  "../../etc/passwd",
  "%s%n",
  "\u202e",
  "x".repeat(5000),
];
const PROTOTYPE = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "valueOf"];

function value(schema: JsonSchema, random: Random, depth: number): unknown {
  if (random.chance(0.04)) return junk(random, 0);
  if ("const" in schema) return schema.const;
  if (schema.enum) return random.pick(schema.enum);
  const branches = schema.anyOf ?? schema.oneOf;
  if (branches) return value(random.pick(branches), random, depth);
  switch (schema.type) {
    case "boolean":
      return random.chance(0.5);
    case "integer":
      return random.chance(0.8) ? random.below(6) : random.pick(NUMBERS);
    case "number":
      return random.chance(0.8) ? random.next() : random.pick(NUMBERS);
    case "string":
      return random.chance(0.6)
        ? random.pick(["dog", "red square", "a", "x".repeat(22)])
        : random.pick(TEXTS);
    case "array":
      if (schema.prefixItems) return schema.prefixItems.map((one) => value(one, random, depth + 1));
      return Array.from({ length: random.below(4) }, () =>
        value((schema.items ?? {}) as JsonSchema, random, depth + 1),
      );
    case "object":
      return Object.fromEntries(
        Object.entries(schema.properties ?? {})
          .filter(([name]) => schema.required?.includes(name) || random.chance(0.3))
          .map(([name, one]) => [name, value(one, random, depth + 1)]),
      );
    default:
      return junk(random, depth);
  }
}

function junk(random: Random, depth: number): unknown {
  const kind = random.below(depth > 3 ? 5 : 8);
  if (kind === 0) return null;
  if (kind === 1) return random.pick(NUMBERS);
  if (kind === 2) return random.pick(TEXTS);
  if (kind === 3) return random.chance(0.5);
  if (kind === 4) return [];
  if (kind === 5) return Array.from({ length: random.below(5) }, () => junk(random, depth + 1));
  if (kind === 6) return Object.fromEntries([[random.pick(PROTOTYPE), junk(random, depth + 1)]]);
  return nested(1 + random.below(2000));
}

/** A text of JSON within JSON arrays, parsed when it is not too deep for the stack. */
const nested = (depth: number): unknown => JSON.parse(`${"[".repeat(depth)}${"]".repeat(depth)}`);

/** One message. `expectsAnswer` is false only for those that the protocol does not answer. */
export interface FuzzedMessage {
  data: string | Buffer;
  /** The id of a request whose answer is known to repeat it. */
  id: string | undefined;
}

/** Every message gets exactly one `response`, `error`, `done` or `frame_dropped`. */
export function fuzzedMessage(random: Random, id: string, sessionId: string): FuzzedMessage {
  const roll = random.next();
  if (roll < 0.05) return { data: randomText(random), id: undefined };
  if (roll < 0.1) return { data: binary(random, id, sessionId), id: undefined };
  let [type, schema] = random.pick(grammars);
  while (COSTLY.has(type) && !random.chance(COSTLY_SENT)) [type, schema] = random.pick(grammars);
  const message = value(schema, random, 0) as Record<string, unknown>;
  const fields: Record<string, unknown> = { ...message, type, request_id: id };
  if ("session_id" in fields && random.chance(0.9)) fields.session_id = sessionId;
  // A propagation with a window waits for acks, and one of many frames would take the run's time.
  if (type === "propagate_in_video") {
    delete fields.window;
    fields.max_frame_num_to_track = random.below(2);
  }
  if (type === "close_session") fields.session_id = "none";
  if (random.chance(0.1)) fields[random.pick([...PROTOTYPE, "extra", "request", ""])] = junk(random, 0);
  if (random.chance(0.03)) fields.type = random.pick(["", "fly", "__proto__", 7, null, ["get_session"]]);
  const hasChangedId = random.chance(0.03);
  if (hasChangedId) fields.request_id = random.pick<unknown>([null, 7, "", "x".repeat(129), [id], "\ud800"]);
  let text = JSON.stringify(fields);
  // A key that JSON.stringify would not write as an own property.
  if (random.chance(0.05)) text = `{"__proto__":{"type":"get_session"},${text.slice(1)}`;
  if (random.chance(0.03)) text = text.slice(0, random.below(text.length));
  return { data: text, id: hasChangedId ? undefined : id };
}

function randomText(random: Random): string {
  return random.pick([
    () => random.bytes(random.below(200)).toString("latin1"),
    () => JSON.stringify(junk(random, 0)),
    () => `${"[".repeat(random.below(50_000))}`,
    () => `{"type":"get_session","request_id":"1","session_id":${"9".repeat(random.below(2000))}}`,
    () => '{"type":"get_session","type":"get_server"',
    () => " ".repeat(random.below(1000)),
  ])();
}

function binary(random: Random, id: string, sessionId: string): Buffer {
  const header = {
    type: random.pick(["push_frame", "get_session", 1]),
    request_id: id,
    session_id: sessionId,
  };
  return random.pick([
    () => random.bytes(random.below(300)),
    () => Buffer.from([0xff, 0xff, 0xff, 0xff, 1, 2, 3]),
    () => Buffer.from(encodeEnvelope(header, random.bytes(20))),
    () => Buffer.alloc(0),
  ])();
}
