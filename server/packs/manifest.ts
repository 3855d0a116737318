/** The schema of a pack's `manifest.json`: the model, the sizes of its tensors, and its files. */
import { z } from "zod";
import { PRESET_NAMES } from "../../protocol/policy.js";

const side = z.int().positive();
const fraction = z.number().min(0).max(1);

/** A path inside the pack's folder. Rejects absolute paths and `..`; `checkFiles` resolves links. */
const fileName = z
  .string()
  .min(1)
  .refine((name) => !/^([/\\]|[a-z]:)/i.test(name) && !name.split(/[/\\]/).includes(".."), {
    error: "must stay inside the pack's folder",
  });

export const graphRoles = [
  "encode",
  "text",
  "detect",
  "segment",
  "seed",
  "track",
  "remember",
  "render",
] as const;
export type GraphRole = (typeof graphRoles)[number];

const geometrySchema = z.object({
  /** Side of the square input image, pixels. */
  S: side,
  /** Side of the feature map. */
  g: side,
  /** Hidden width. */
  D: side,
  /** Memory width. */
  Dm: side,
  /** Tokens per memory. */
  T: side,
  /** Side of the mask logits. */
  m: side,
  /** Trunk channels; only packs that detect have a trunk. */
  Ct: side.optional(),
  /** Tokens per phrase. */
  L: side.optional(),
  /** Detections kept per concept. */
  K: side.optional(),
});

const bankSchema = z
  .object({
    /** Prompted frames that condition a frame at once; -1 means all of them. */
    maxConditioning: z.int().min(-1),
    /** Tracked frames that condition a frame. */
    recent: z.int().min(0),
    maxPointers: z.int().min(0),
    /** Rows of the temporal table that `memory_t` indexes. */
    temporalRows: side,
    /** Row of prompted frames. */
    conditioningRow: z.int().min(0),
    /** The scale of `pointer_dt`; "none" for packs without a temporal pointer encoding, which lack this input. */
    pointerTime: z.enum(["dt/(max-1)", "none"]),
    /** Precision in which the reference implementation stores memories; default: that of the preset. */
    memoryPrecision: z.enum(["float32", "bfloat16"]).exactOptional(),
  })
  .refine((bank) => bank.recent <= bank.temporalRows && bank.conditioningRow < bank.temporalRows, {
    error: "temporalRows must cover recent and conditioningRow",
  });

const manifestShape = z.object({
  schema: z.literal(1),
  id: z.string().min(1),
  version: z.string().min(1),
  family: z.string().min(1),
  license: z.string().min(1),
  source: z.record(z.string(), z.unknown()),
  geometry: geometrySchema,
  image: z.object({ color: z.literal("rgb") }),
  bank: bankSchema,
  decode: z.object({
    multimaskMinPoints: z.int().min(0),
    multimaskMaxPoints: z.int().min(0),
    /** A single mask whose stability is below this is replaced by the best of three; absent: never replaced. */
    singleMaskStability: fraction.exactOptional(),
  }),
  /** The preset of detection and tracking rules for this model; default `masklet`. */
  preset: z.enum(PRESET_NAMES).optional(),
  detect: z.object({ scoreThreshold: fraction, nmsIou: fraction, newObjectScore: fraction }).optional(),
  capabilities: z.object({
    text: z.boolean(),
    exemplars: z.boolean(),
    maskSeed: z.boolean(),
    points: z.boolean(),
    /** Whether `segment` accepts an earlier mask; default true. If false, the graph lacks the mask inputs. */
    maskInput: z.boolean().exactOptional(),
    objectBatch: z.literal("dynamic"),
    memorySlots: z.literal("dynamic"),
  }),
  tokenizer: fileName.optional(),
  files: z.array(
    z.object({
      name: fileName,
      bytes: z.int().positive(),
      sha256: z.string().regex(/^[0-9a-f]{64}$/, { error: "expected 64 lowercase hexadecimal digits" }),
    }),
  ),
  graphs: z.array(z.object({ role: z.enum(graphRoles), file: fileName })),
});

export type Manifest = z.infer<typeof manifestShape>;
export type Geometry = Manifest["geometry"];
export type Capabilities = Manifest["capabilities"];

/** Whether the pack detects objects, from phrases or from exemplar boxes. */
export function detects(capabilities: Pick<Capabilities, "text" | "exemplars">): boolean {
  return capabilities.text || capabilities.exemplars;
}

/** Roles that a pack with these capabilities must have. */
export function requiredRoles(capabilities: Capabilities): GraphRole[] {
  const roles: GraphRole[] = ["encode", "segment", "track", "remember", "render"];
  if (detects(capabilities)) roles.push("text", "detect");
  // `seed` turns the mask of a detection into an object.
  if (capabilities.maskSeed || detects(capabilities)) roles.push("seed");
  return roles;
}

const manifestSchema = manifestShape.superRefine((manifest, context) => {
  const fail = (path: (string | number)[], message: string) =>
    context.addIssue({ code: "custom", path, message });
  const listed = new Set(manifest.files.map((file) => file.name));
  const seen = new Set<GraphRole>();
  manifest.graphs.forEach(({ role, file }, index) => {
    if (seen.has(role)) fail(["graphs", index, "role"], `"${role}" appears twice`);
    seen.add(role);
    if (!listed.has(file)) fail(["graphs", index, "file"], `"${file}" is not among files`);
  });
  for (const role of requiredRoles(manifest.capabilities)) {
    if (!seen.has(role)) fail(["graphs"], `the role "${role}" is missing`);
  }
  if (!detects(manifest.capabilities)) return;
  for (const name of ["Ct", "L", "K"] as const) {
    if (manifest.geometry[name] === undefined) fail(["geometry", name], "required by a pack that detects");
  }
  if (!manifest.detect) fail(["detect"], "required by a pack that detects");
  if (manifest.tokenizer === undefined) fail(["tokenizer"], "required by a pack that detects");
  else if (!listed.has(manifest.tokenizer)) fail(["tokenizer"], `"${manifest.tokenizer}" is not among files`);
});

/** Completes manifests that were written before `bank.memoryPrecision` existed: EdgeTAM stores memories in float32. */
function upgrade(manifest: Manifest): Manifest {
  if (manifest.family !== "edgetam") return manifest;
  return { ...manifest, bank: { memoryPrecision: "float32", ...manifest.bank } };
}

/** An invalid field. */
export interface ManifestFault {
  file: "manifest.json";
  /** Such as `graphs.0.role`; empty for the whole file. */
  field: string;
  /** One sentence that names the field. */
  message: string;
}

/** Every invalid field, in the order of the schema. Rules that connect fields are checked once each field is valid. */
export function manifestFaults(text: string): ManifestFault[] {
  const result = readManifest(text);
  return "faults" in result ? result.faults : [];
}

/**
 * Reads the text of a manifest.
 * @throws Error with one sentence that names the first invalid field.
 */
export function parseManifest(text: string): Manifest {
  const result = readManifest(text);
  if ("faults" in result) throw new Error(result.faults[0]?.message);
  return result.manifest;
}

function readManifest(text: string): { manifest: Manifest } | { faults: ManifestFault[] } {
  const fault = (field: string, message: string): ManifestFault => ({
    file: "manifest.json",
    field,
    message,
  });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return { faults: [fault("", `manifest.json is not JSON: ${(error as Error).message}`)] };
  }
  const parsed = manifestSchema.safeParse(json);
  if (parsed.success) return { manifest: upgrade(parsed.data) };
  return {
    faults: parsed.error.issues.map(({ path, message }) => {
      const field = path.join(".");
      const problem = message.replace(/^Invalid input: /, "");
      return fault(field, `manifest.json: ${field && `${field}: `}${problem}`);
    }),
  };
}
