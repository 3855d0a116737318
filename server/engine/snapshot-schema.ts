/**
 * The values of a snapshot on which the tracker relies, above all the lengths of its tensors. A snapshot from a file can
 * contain anything.
 */
import { z } from "zod";
import { cocoRle } from "../../protocol/fields.js";
import { type CocoRle, turnsOf } from "../../protocol/rle.js";
import type { Geometry } from "../../tracker/model.js";
import type { SessionSnapshot } from "../../tracker/snapshot.js";
import { EngineError } from "./engine.js";

type Sizes = Pick<Geometry, "T" | "Dm" | "D" | "m">;

const index = z.int().min(0);

function schemaFor({ T, Dm, D, m }: Sizes) {
  const floats = (length: number) =>
    z
      .instanceof(Float32Array)
      .refine((values) => values.length === length, { error: `expected ${length} values` });
  const pointer = z.looseObject({ frameIndex: index, pointer: floats(D) });
  const entry = z.looseObject({
    frameIndex: index,
    kind: z.enum(["prompted", "born", "reconditioned", "recent"]),
    memory: floats(T * Dm),
    pointer: floats(D),
    maskLogits: floats(m * m),
    score: z.number(),
    present: z.boolean(),
  });
  // Older files have no outlines.
  const outline = z.looseObject({ maskLogits: floats(m * m), frameIndex: index });
  const motion = z.looseObject({ outline: outline.nullish() });
  const masklet = z.looseObject({
    id: index,
    conceptKey: z.int().nullable(),
    prob: z.number(),
    bornFrame: index,
    prompts: z.instanceof(Map),
    motion: motion.nullish(),
    bank: z.looseObject({
      conditioning: z.array(entry),
      recent: z.array(entry),
      pointers: z.array(pointer),
    }),
  });
  const crossing = z.looseObject({ anchors: z.map(index, motion) });
  return z.looseObject({
    tracker: z.looseObject({
      registry: z.looseObject({ masklets: z.array(masklet), nextId: index }),
      concepts: z.looseObject({}),
      history: z.looseObject({}),
      pass: z.looseObject({ reverse: z.boolean(), isFresh: z.boolean(), crossings: z.array(crossing) }),
    }),
    outputs: z.unknown(),
    actions: z.array(z.looseObject({ kind: z.string(), objectIds: z.array(index) })),
    plan: z.looseObject({ mode: z.enum(["full", "partial", "fetch"]), objectIds: z.array(index) }),
    pass: z.looseObject({ reverse: z.boolean(), firstFrame: index, lastFrame: index }),
    buffer: z.looseObject({
      waiting: z.array(z.unknown()),
      removed: z.instanceof(Map),
      unconfirmed: z.instanceof(Map),
    }),
  });
}

/** @throws EngineError saved_unreadable naming the value that does not fit the pack or the video */
export function checkSnapshot(
  state: unknown,
  sizes: Sizes,
  video: { width: number; height: number },
): SessionSnapshot {
  const parsed = schemaFor(sizes).safeParse(state);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw invalidAt(issue?.path ?? [], issue?.message ?? "unknown", parsed.error);
  }
  const model = { width: sizes.m, height: sizes.m };
  for (const { mask, path } of masksIn(state, []))
    checkMask(mask, path, path.at(-1) === "drawn" ? model : video);
  return state as SessionSnapshot;
}

type Path = readonly PropertyKey[];

/** All masks of prompts and locks, also those of the states that `undo` returns to. */
function* masksIn(value: unknown, path: Path): Generator<{ mask: CocoRle; path: Path }> {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return;
  if ("counts" in value && "size" in value) return void (yield { mask: value as CocoRle, path });
  const entries = value instanceof Map ? value.entries() : Object.entries(value);
  for (const [key, part] of entries) yield* masksIn(part, [...path, String(key)]);
}

/** Drawn masks have the size of the model's masks, the others that of the video. Another size could take any amount of memory. */
function checkMask(mask: CocoRle, path: Path, { width, height }: { width: number; height: number }): void {
  const parsed = cocoRle.safeParse(mask);
  if (!parsed.success) throw invalidAt(path, "expected a mask", parsed.error);
  const [maskHeight, maskWidth] = mask.size;
  if (maskWidth !== width || maskHeight !== height)
    throw invalidAt(path, `expected a mask of ${width}×${height} pixels, got ${maskWidth}×${maskHeight}`);
  try {
    turnsOf(mask);
  } catch (cause) {
    throw invalidAt(path, "the mask is damaged", cause as Error);
  }
}

function invalidAt(path: Path, problem: string, cause?: Error): EngineError {
  const where = path.join(".") || "its root";
  return new EngineError(
    "saved_unreadable",
    `The saved state of the tracker has an invalid value at ${where}: ${problem}.`,
    "saved_id",
    { cause },
  );
}
