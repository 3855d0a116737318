import type { EngineFrame, FrameOutput } from "./engine/index.js";
import type { Leg } from "./frame-range.js";
import type { MediaFrame } from "./media/source.js";
import { prefetch } from "./prefetch.js";

export interface TrackedFrame {
  timestampUs: number | null;
  output: FrameOutput;
}

export interface PropagationPlan {
  /** Asked for once, when the propagation starts. */
  legs(): Promise<readonly Leg[]>;
  /** The frames of one leg in the order of travel. */
  decode(leg: Leg): AsyncIterable<MediaFrame>;
  begin(reverse: boolean): Promise<void>;
  step(frame: EngineFrame): Promise<FrameOutput>;
  /** Looked at around every frame; once it is aborted the propagation ends without an error. */
  signal: AbortSignal;
}

/** Frames that may be decoded before the model asks for them; more would only hold memory. */
const FRAMES_AHEAD = 2;

/**
 * Decode, step, hand over, frame by frame. The next step waits until the consumer asks for it: that is what lets a slow
 * reader slow the model.
 */
export async function* runPropagation(plan: PropagationPlan): AsyncGenerator<TrackedFrame, void, undefined> {
  const { signal } = plan;
  try {
    for (const leg of await plan.legs()) {
      if (signal.aborted) return;
      await plan.begin(leg.reverse);
      for await (const { index, rgb, timestampUs } of prefetch(plan.decode(leg), FRAMES_AHEAD, signal)) {
        if (signal.aborted) return;
        yield { timestampUs, output: await plan.step({ index, rgb }) };
      }
    }
  } catch (error) {
    // Whatever an aborted propagation trips over; what it was aborted for is the caller's to say.
    if (!signal.aborted) throw error;
  }
}
