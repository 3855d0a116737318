import type {
  EngineFrame,
  EngineSession,
  FrameOutput,
  PassRequest,
  PassStart,
  RecalledMask,
  RecallNeed,
} from "./engine/index.js";
import { indicesOf, type Leg } from "./frame-range.js";
import { orAborted } from "./media/or-aborted.js";
import { prefetch } from "./prefetch.js";

export interface TrackedFrame {
  output: FrameOutput;
  mode: PassStart["mode"];
  /** Absent: the time that the media has for the frame. A live session may no longer keep the frame. */
  timestampUs?: number;
  /** The objects that were tracked, when the leg names them; null: all. */
  objectIds: ReadonlySet<number> | null;
}

export interface PlannedLeg {
  leg: Leg;
  /** Track only these objects, without detection; null: all objects, and new ones. */
  objectIds: ReadonlySet<number> | null;
}

export interface PropagationPlan {
  engine: Pick<EngineSession, "begin" | "recall" | "push" | "next" | "fetch">;
  /** Each leg is requested when the one before it has ended. */
  legs: AsyncIterable<PlannedLeg>;
  startFrame: PassRequest["startFrame"];
  /** Decodes the frames of a leg in the order of travel. */
  decode(leg: Leg, signal: AbortSignal): AsyncIterable<EngineFrame>;
  /** The masks that a leg needs from earlier passes, in the order of travel. */
  recall(need: RecallNeed, leg: Leg): AsyncIterable<{ frame: EngineFrame; masks: readonly RecalledMask[] }>;
  /** Checked around every frame; once it is aborted the propagation ends without an error. */
  signal: AbortSignal;
}

/** Frames pushed ahead of their step: the engine encodes one, and one waits there for room. */
const FRAMES_AHEAD = 2;

/**
 * Runs the legs of a propagation. Each step waits until the consumer asks for its frame, so that a slow reader slows the
 * model. A leg whose frames are all known decodes nothing.
 */
export async function* runPropagation(plan: PropagationPlan): AsyncGenerator<TrackedFrame, void, undefined> {
  const { engine, startFrame, signal } = plan;
  try {
    for await (const { leg, objectIds } of plan.legs) {
      if (signal.aborted) return;
      const { reverse, first: firstFrame, last: lastFrame } = leg;
      const only = objectIds && { objectIds: [...objectIds] };
      const { mode, recall } = await engine.begin({ reverse, firstFrame, lastFrame, startFrame, ...only });
      if (recall) {
        for await (const recalled of plan.recall(recall, leg)) {
          if (signal.aborted) return;
          await engine.recall(recalled);
        }
      }
      for await (const output of mode === "fetch" ? fetchKnown(plan, leg) : stepThrough(plan, leg)) {
        yield { output, mode, objectIds };
      }
    }
  } catch (error) {
    // The caller reports the reason of an abort. Errors that follow from it are ignored.
    if (!signal.aborted) throw error;
  }
}

async function* fetchKnown({ engine, signal }: PropagationPlan, leg: Leg) {
  for (const frameIndex of indicesOf(leg)) {
    if (signal.aborted) return;
    yield await engine.fetch({ frameIndex });
  }
}

async function* stepThrough(plan: PropagationPlan, leg: Leg) {
  const { engine, signal } = plan;
  for await (const _ of prefetch((end) => push(plan, leg, end), FRAMES_AHEAD, signal)) {
    if (signal.aborted) return;
    yield* await engine.next();
  }
}

/** Pushes every frame of a leg, and yields once the engine has it. */
async function* push({ engine, decode }: PropagationPlan, leg: Leg, signal: AbortSignal) {
  for await (const { index, rgb } of decode(leg, signal)) {
    await orAborted(engine.push({ frame: { index, rgb } }), signal);
    yield index;
  }
}
