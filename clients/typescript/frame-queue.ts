import type { DoneMessage, FrameMessage } from "../../protocol/index.js";
import type { MaskletError } from "./errors.js";

/** Frames between the socket, which pushes, and a loop, which pulls. */
export interface FrameQueue {
  push(frame: FrameMessage): void;
  end(done: DoneMessage): void;
  fail(error: MaskletError): void;
  /** Frames pushed before an end or a failure come before it. */
  next(): Promise<IteratorResult<FrameMessage, DoneMessage>>;
  /** Forgets frames that wait, and those still to come. Resolves when the stream has ended, however. */
  drain(): Promise<void>;
  /** Frames that wait. */
  readonly length: number;
  /** True while a loop waits for a frame. */
  readonly isAwaited: boolean;
  /** True when nothing will come any more and nothing waits. */
  readonly isSpent: boolean;
}

/** @param onTaken called whenever the queue got shorter or a loop began to wait */
export function createFrameQueue(onTaken: () => void): FrameQueue {
  const frames: FrameMessage[] = [];
  let outcome: { done: DoneMessage } | { error: MaskletError } | undefined;
  let isDraining = false;
  let wake: (() => void) | undefined;

  function settle(result: typeof outcome): void {
    outcome ??= result;
    wake?.();
  }

  async function somethingNew(): Promise<void> {
    await new Promise<void>((resolve) => {
      wake = resolve;
      onTaken();
    });
    wake = undefined;
  }

  return {
    push(frame) {
      if (isDraining || outcome) return;
      frames.push(frame);
      wake?.();
    },
    end: (done) => settle({ done }),
    fail: (error) => settle({ error }),
    async next() {
      if (frames.length === 0 && !outcome) await somethingNew();
      const frame = frames.shift();
      onTaken();
      if (frame) return { done: false, value: frame };
      if (outcome && "done" in outcome) return { done: true, value: outcome.done };
      throw outcome?.error;
    },
    async drain() {
      isDraining = true;
      frames.length = 0;
      onTaken();
      if (!outcome) await somethingNew();
    },
    get length() {
      return frames.length;
    },
    get isAwaited() {
      return wake !== undefined;
    },
    get isSpent() {
      return outcome !== undefined && frames.length === 0;
    },
  };
}
