/**
 * The values of a snapshot on which the tracker relies, above all the lengths of its tensors. A snapshot from a file can
 * contain anything.
 */
import { z } from "zod";
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
  const masklet = z.looseObject({
    id: index,
    conceptKey: z.int().nullable(),
    prob: z.number(),
    bornFrame: index,
    prompts: z.instanceof(Map),
    bank: z.looseObject({
      conditioning: z.array(entry),
      recent: z.array(entry),
      pointers: z.array(pointer),
    }),
  });
  return z.looseObject({
    tracker: z.looseObject({
      registry: z.looseObject({ masklets: z.array(masklet), nextId: index }),
      concepts: z.looseObject({}),
      history: z.looseObject({}),
      pass: z.looseObject({ reverse: z.boolean(), isFresh: z.boolean(), crossings: z.array(z.unknown()) }),
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

/** @throws EngineError saved_unreadable naming the value that does not fit the pack */
export function checkSnapshot(state: unknown, sizes: Sizes): SessionSnapshot {
  const parsed = schemaFor(sizes).safeParse(state);
  if (parsed.success) return state as SessionSnapshot;
  const [issue] = parsed.error.issues;
  const where = issue?.path.join(".") || "its root";
  throw new EngineError(
    "saved_unreadable",
    `The saved state of the tracker has an invalid value at ${where}: ${issue?.message}.`,
    "saved_id",
    { cause: parsed.error },
  );
}
