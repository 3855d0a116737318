/** The pixels of frames that are waiting for their step, so that they need not be sent twice. */
import { EngineError, type EngineFrame } from "./engine.js";

export interface FramesGiven {
  give(frame: EngineFrame): void;
  /** @throws EngineError internal when the frame was not given, or too long ago. */
  take(frameIndex: number): EngineFrame;
}

/** One that is stepped to, and one that is encoded meanwhile. */
const MAX_FRAMES = 2;

export function createFramesGiven(): FramesGiven {
  let waiting: EngineFrame[] = [];
  return {
    give(frame) {
      const others = waiting.filter(({ index }) => index !== frame.index);
      waiting = [...others, frame].slice(-MAX_FRAMES);
    },
    take(frameIndex) {
      const found = waiting.find(({ index }) => index === frameIndex);
      if (!found) {
        const known = waiting.map(({ index }) => index).join(", ") || "none";
        throw new EngineError(
          "internal",
          `Frame ${frameIndex} has to be given before its step; given: ${known}.`,
        );
      }
      waiting = waiting.filter((frame) => frame !== found);
      return found;
    },
  };
}
