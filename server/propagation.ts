import type { EngineFrame, FrameOutput, PassStart } from "./engine/index.js";
import type { Leg } from "./frame-range.js";
import type { MediaFrame } from "./media/source.js";
import { prefetch } from "./prefetch.js";

export interface TrackedFrame {
  timestampUs: number | null;
  output: FrameOutput;
  mode: PassStart["mode"];
}

export interface PropagationPlan {
  /** Asked for once, when the propagation starts. */
  legs(): Promise<readonly Leg[]>;
  /** The frames of one leg in the order of travel. */
  decode(leg: Leg, mode: PassStart["mode"]): AsyncIterable<MediaFrame>;
  begin(leg: Leg): Promise<PassStart>;
  /** Gives a frame that will be stepped to. */
  prepare(frame: EngineFrame): void;
  /** The frames that may be shown now; their output may lag behind the frames stepped through. */
  step(frameIndex: number): Promise<FrameOutput[]>;
  /** What is known of a frame. */
  fetch(frameIndex: number): Promise<FrameOutput>;
  /** Looked at around every frame; once it is aborted the propagation ends without an error. */
  signal: AbortSignal;
}

/** Frames that may be decoded before the model asks for them; more would only hold memory. */
const DECODED_AHEAD = 2;
/** Frames that the model is given before their turn, so that it can encode one while it tracks on another. */
const GIVEN_AHEAD = 1;

/**
 * Decode, give, step, hand over, frame by frame; a leg that only shows what is known is decoded for its times. The next
 * step waits until the consumer asks for it: that is what lets a slow reader slow the model.
 */
export async function* runPropagation(plan: PropagationPlan): AsyncGenerator<TrackedFrame, void, undefined> {
  const { signal } = plan;
  try {
    for (const leg of await plan.legs()) {
      if (signal.aborted) return;
      const { mode } = await plan.begin(leg);
      const times = new Map<number, number | null>();
      for await (const { index, timestampUs } of prefetch(give(plan, leg, mode), GIVEN_AHEAD, signal)) {
        if (signal.aborted) return;
        times.set(index, timestampUs);
        const outputs = mode === "fetch" ? [await plan.fetch(index)] : await plan.step(index);
        for (const output of outputs) {
          const shownAt = times.get(output.frameIndex) ?? null;
          times.delete(output.frameIndex);
          yield { timestampUs: shownAt, output, mode };
        }
      }
    }
  } catch (error) {
    // Whatever an aborted propagation trips over; what it was aborted for is the caller's to say.
    if (!signal.aborted) throw error;
  }
}

/** Decodes a leg and gives each frame to the model when it is asked for; what is known already is not given. */
async function* give(
  plan: PropagationPlan,
  leg: Leg,
  mode: PassStart["mode"],
): AsyncGenerator<Pick<MediaFrame, "index" | "timestampUs">, void, undefined> {
  for await (const { index, rgb, timestampUs } of prefetch(
    plan.decode(leg, mode),
    DECODED_AHEAD,
    plan.signal,
  )) {
    if (mode !== "fetch") plan.prepare({ index, rgb });
    yield { index, timestampUs };
  }
}
