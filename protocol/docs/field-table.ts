/** Writes a message schema as a Markdown table of its fields. */
import { z } from "zod";

/** The part of JSON Schema that zod generates for the messages. */
interface JsonSchema {
  type?: string | string[];
  const?: unknown;
  enum?: unknown[];
  anyOf?: JsonSchema[];
  items?: JsonSchema;
  prefixItems?: JsonSchema[];
  properties?: Record<string, JsonSchema>;
  required?: string[];
  additionalProperties?: JsonSchema | boolean;
  title?: string;
  description?: string;
  default?: unknown;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
}

/** Fields of requests are required, optional or have a default; fields of replies are always or sometimes present. */
const PRESENCE = {
  request: { head: "Required or default", required: "required", optional: "optional" },
  reply: { head: "Present", required: "always", optional: "sometimes" },
} as const;

/** One row per field of `schema`, without the fields in `omit`. */
export function fieldTable(
  kind: keyof typeof PRESENCE,
  schema: z.ZodType,
  omit: readonly string[] = [],
): string {
  const presence = PRESENCE[kind];
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: "input" }) as JsonSchema;
  const presenceOf = (field: JsonSchema, isRequired: boolean) => {
    if (isRequired) return presence.required;
    return field.default === undefined ? presence.optional : `\`${JSON.stringify(field.default)}\``;
  };
  const rows = Object.entries(properties)
    .filter(([name]) => !omit.includes(name))
    .map(([name, field]) => [
      `\`${name}\``,
      typeName(field),
      presenceOf(field, required.includes(name)),
      field.description ?? "",
    ]);
  return table(["Field", "Type", presence.head, "Meaning"], rows);
}

/** A Markdown table. Cells are Markdown; this function escapes "|". */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** The type of a field with its bounds, in the terms of JSON. */
function typeName(schema: JsonSchema): string {
  if (schema.title !== undefined) return `[${schema.title}](#${schema.title})`;
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.enum) return schema.enum.map((value) => `\`${JSON.stringify(value)}\``).join(" or ");
  if (schema.anyOf) return schema.anyOf.map(typeName).join(" or ");
  const { type } = schema;
  if (Array.isArray(type)) return type.map((each) => typeName({ ...schema, type: each })).join(" or ");
  switch (type) {
    case "array":
      return arrayName(schema);
    case "string":
      return schema.maxLength === undefined
        ? "string"
        : `string, ${range(schema.minLength ?? 0, schema.maxLength)} characters`;
    case "object":
      return objectName(schema);
    case "integer":
    case "number":
      return numberName(type, schema);
    default:
      return type ?? "any";
  }
}

/** Names of optional fields end in "?". */
function objectName({ properties, required = [], additionalProperties }: JsonSchema): string {
  if (properties === undefined && typeof additionalProperties === "object") {
    return `object of ${typeName(additionalProperties)}`;
  }
  const fields = Object.entries(properties ?? {}).map(
    ([name, field]) => `\`${name}${required.includes(name) ? "" : "?"}\`: ${typeName(field)}`,
  );
  return `{ ${fields.join(", ")} }`;
}

function arrayName(schema: JsonSchema): string {
  if (schema.prefixItems) return `[${schema.prefixItems.map(typeName).join(", ")}]`;
  const item = schema.items ? typeName(schema.items) : "any";
  const isList = schema.items?.type === "array" && schema.items.prefixItems === undefined;
  const items = `array of ${isList ? `(${item})` : item}`;
  return schema.maxItems === undefined
    ? items
    : `${items}, ${range(schema.minItems ?? 0, schema.maxItems)} of them`;
}

function numberName(type: string, { minimum, maximum, exclusiveMinimum }: JsonSchema): string {
  const isBounded = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER;
  if (isBounded) return `${type} ${range(minimum ?? 0, maximum)}`;
  if (exclusiveMinimum !== undefined) return `${type} above ${exclusiveMinimum}`;
  return minimum === undefined || minimum <= Number.MIN_SAFE_INTEGER ? type : `${type} from ${minimum}`;
}

function range(low: number, high: number): string {
  return low === high ? String(low) : `${low} to ${high}`;
}
