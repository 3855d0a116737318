/** The entries `session.json` and `results.ndjson` of a saved session: what the main process knows about it. */
import { z } from "zod";
import { cocoRle } from "../../protocol/fields.js";
import { type CocoRle, decodeMask, policySchema } from "../../protocol/index.js";
import { objectState } from "../../protocol/replies/states.js";
import type { FrameOutput } from "../engine/index.js";
import type { SessionResults } from "../results/session-results.js";
import type { StoredFrame } from "../results/stored-frame.js";
import { unreadable } from "./saved-file.js";

const index = z.int().min(0);

function stateSchema(numFrames: number) {
  const frame = index.max(numFrames - 1);
  /** First and last frame, both inclusive. */
  const ranges = z
    .array(
      z
        .tuple([frame, frame])
        .refine(([first, last]) => first <= last, { error: "the last is before the first" }),
    )
    .max(100_000);
  return z.strictObject({
    /** Of the `start_session`; null without one. */
    policy: policySchema.nullable(),
    /** Phrases of the concepts; `visual` stands for exemplars without a phrase. */
    concepts: z.array(z.string().max(1000)).max(1000),
    negative_concepts: z.array(z.string().max(1000)).max(1000),
    prompted: z.strictObject({
      concept_frame: frame.nullable(),
      objects: z.array(z.tuple([index, z.array(frame).max(100_000)])).max(100_000),
    }),
    names: z.strictObject({
      objects: z.array(z.tuple([index, z.string().max(1000)])).max(100_000),
      concepts: z.array(z.tuple([z.string().max(1000), z.string().max(1000)])).max(1000),
    }),
    /** Locked frames, and frames without the object. */
    marks: z.array(z.strictObject({ obj_id: index, locked: ranges, absent: ranges })).max(100_000),
    stale: z
      .array(z.strictObject({ objectId: index.nullable(), first: frame, last: frame, from: frame }))
      .max(1_000_000),
  });
}

export type SavedState = z.output<ReturnType<typeof stateSchema>>;

const { state, score, suspect, prompt } = objectState.shape;

const judgement = z.strictObject({
  score,
  prompt: z.strictObject({
    kind: prompt.shape.kind,
    frameIndex: index,
    concept: z.string().max(1000).exactOptional(),
  }),
  suspect,
});

const objectSchema = z.strictObject({
  objectId: index,
  prob: z.number().min(0).max(1),
  boxXywh: z.tuple([z.number(), z.number(), z.number(), z.number()]),
  mask: cocoRle,
  judged: judgement.exactOptional(),
});

const frameSchema = z.strictObject({
  frameIndex: index,
  objects: z
    .array(objectSchema)
    .max(10_000)
    .refine((objects) => objects.every(({ objectId }, at) => objectId > (objects[at - 1]?.objectId ?? -1)), {
      error: "the ids do not ascend",
    }),
  unseen: z
    .array(judgement.extend({ objectId: index, state }))
    .max(10_000)
    .exactOptional(),
  stats: z.strictObject({ tracked: index, dropped: index }),
});

/** What a saved session contains of its results, and of the phrases of the engine session. */
export function stateOf(
  { prompts, stale, marks }: SessionResults,
  policy: SavedState["policy"],
  { concepts, negativeConcepts }: { concepts: readonly string[]; negativeConcepts: readonly string[] },
): SavedState {
  const { conceptFrame, objects } = prompts.save();
  const decided = marks.save();
  return {
    policy,
    concepts: [...concepts],
    negative_concepts: [...negativeConcepts],
    prompted: {
      concept_frame: conceptFrame ?? null,
      objects: [...objects].map(([id, frames]) => [id, [...frames]]),
    },
    names: { objects: [...decided.objectNames], concepts: [...decided.conceptNames] },
    marks: [...decided.objects].map(([obj_id, { locked, absent }]) => ({
      obj_id,
      locked: locked.map(([first, last]) => [first, last]),
      absent: absent.map(([first, last]) => [first, last]),
    })),
    stale: stale.save().map(({ objectId, first, last, from }) => ({ objectId, first, last, from })),
  };
}

/** @throws ProtocolError saved_unreadable, also for frames that the video does not have */
export function parseState(value: unknown, video: { num_frames: number }): SavedState {
  const parsed = stateSchema(video.num_frames).safeParse(value);
  if (parsed.success) return parsed.data;
  throw unreadable(`session.json has an invalid value at ${describe(parsed.error)}`, parsed.error);
}

/** @throws ProtocolError saved_unreadable for a frame that is not of this video */
export function parseFrame(
  value: unknown,
  video: { width: number; height: number; num_frames: number },
): StoredFrame {
  const parsed = frameSchema.safeParse(value);
  if (!parsed.success)
    throw unreadable(`results.ndjson has an invalid value at ${describe(parsed.error)}`, parsed.error);
  const frame: FrameOutput = parsed.data;
  if (frame.frameIndex >= video.num_frames)
    throw unreadable(`results.ndjson: expected frames 0..${video.num_frames - 1}, got ${frame.frameIndex}`);
  for (const { mask, objectId } of frame.objects) checkMask(mask, video, frame.frameIndex, objectId);
  return frame;
}

function checkMask(
  mask: CocoRle,
  { width, height }: { width: number; height: number },
  frameIndex: number,
  objectId: number,
): void {
  const where = `results.ndjson: the mask of object ${objectId} on frame ${frameIndex}`;
  const [maskHeight, maskWidth] = mask.size;
  if (maskWidth !== width || maskHeight !== height)
    throw unreadable(`${where}: expected ${width}×${height} pixels, got ${maskWidth}×${maskHeight}`);
  try {
    decodeMask(mask);
  } catch (cause) {
    throw unreadable(`${where} is damaged`, cause as Error);
  }
}

/** Puts the state of a saved session into the results of a new one. */
export function restoreState(
  { prompts, stale, marks }: SessionResults,
  { prompted, stale: stretches, names, marks: marked }: SavedState,
): void {
  marks.restore({
    objects: new Map(marked.map(({ obj_id, locked, absent }) => [obj_id, { locked, absent }])),
    objectNames: new Map(names.objects),
    conceptNames: new Map(names.concepts),
  });
  prompts.restore({
    conceptFrame: prompted.concept_frame ?? undefined,
    objects: new Map(prompted.objects),
  });
  stale.restore(stretches);
}

/** Where the first problem is, and what it is. */
function describe({ issues: [issue] }: z.ZodError): string {
  return `${issue?.path.join(".") || "its root"} (${issue?.message})`;
}
