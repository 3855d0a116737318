/** What a request for an export selects, and the options of its format. */
import { z } from "zod";
import { ProtocolError, parseFields } from "../../protocol/index.js";
import type { ExportFormat } from "./format.js";
import { EXPORT_FORMATS, findFormat } from "./formats.js";

/** Frames and objects; absent: all. */
export interface Selection {
  frames?: { first: number; last: number };
  objectIds?: readonly number[];
}

export interface ExportPlan {
  format: ExportFormat;
  options: Record<string, unknown>;
  selection: Selection;
  isPreview: boolean;
}

const selectionFields = {
  frames: z
    .string()
    .regex(/^\d{1,9}(-\d{1,9})?$/, { error: "expected a frame or a range of frames, such as 0-99" })
    .exactOptional(),
  objects: z
    .string()
    .max(10_000)
    .regex(/^\d{1,9}(,\d{1,9})*$/, { error: "expected ids of objects, such as 0,2" })
    .exactOptional(),
  preview: z.enum(["true", "false"]).default("false"),
};

/**
 * @param query of the request, or the options of the command
 * @throws ProtocolError invalid_field, unknown_field
 */
export function planExport(formatId: string, query: Readonly<Record<string, string>>): ExportPlan {
  const format = findFormat(formatId);
  if (!format) {
    const known = EXPORT_FORMATS.map(({ id }) => id).join(", ");
    throw new ProtocolError("invalid_field", `format: expected one of ${known}, got "${formatId}"`, "format");
  }
  const schema = z.strictObject({ ...selectionFields, ...format.options.shape });
  const { frames, objects, preview, ...options } = parseFields(schema, query) as {
    frames?: string;
    objects?: string;
    preview: string;
  };
  return {
    format,
    options,
    selection: {
      ...(frames !== undefined && { frames: readRange(frames) }),
      ...(objects !== undefined && { objectIds: [...new Set(objects.split(",").map(Number))] }),
    },
    isPreview: preview === "true",
  };
}

function readRange(text: string): { first: number; last: number } {
  const [first = 0, last = first] = text.split("-").map(Number);
  if (first <= last) return { first, last };
  throw new ProtocolError("invalid_field", `frames: expected the first frame first, got "${text}"`, "frames");
}

/** What clients can ask about the formats. */
export function describeFormats() {
  return EXPORT_FORMATS.map(({ id, title, media, packing, needsPictures, options }) => ({
    id,
    title,
    media,
    packing,
    needs_pictures: needsPictures,
    options: Object.entries(options.shape).map(([name, schema]) => describeOption(name, schema as z.ZodType)),
  }));
}

function describeOption(name: string, schema: z.ZodType) {
  const described = z.toJSONSchema(schema, { io: "input" });
  // A default behind a transform is not part of the input, so its JSON schema has none.
  const value = described.default ?? (schema instanceof z.ZodDefault ? schema.def.defaultValue : undefined);
  return {
    name,
    meaning: schema.description ?? "",
    default: value === undefined ? null : String(value),
    ...(described.enum && { values: described.enum.map(String) }),
  };
}
