import type { DoneMessage, FrameMessage } from "../../protocol/index.js";
import type { MaskletError } from "./errors.js";

/** Frames between the socket, which pushes, and a loop, which pulls. The stream's window bounds how many wait. */
export interface FrameQueue {
  push(frame: FrameMessage): void;
  end(done: DoneMessage): void;
  fail(error: MaskletError): void;
  /** Frames pushed before an end or a failure come before it. */
  next(): Promise<IteratorResult<FrameMessage, DoneMessage>>;
  /** Sends the last acknowledgement again, which may have been lost with the connection. */
  repeatAck(): void;
  /** Drops the frames that wait and those still to come. Resolves when the stream has ended, with or without an error. */
  drain(): Promise<void>;
  /** Frames that wait. */
  readonly length: number;
  /** True when the stream has ended and no frame waits. */
  readonly isSpent: boolean;
}

export interface FrameQueueOptions {
  /** Frames that the server may send without an acknowledgement. */
  window: number;
  /** Sends an `ack`: the number of frames that the loop has taken. Not called after the stream has ended. */
  acknowledge(numFrames: number): void;
}

export function createFrameQueue({ window, acknowledge }: FrameQueueOptions): FrameQueue {
  // One ack for half a window: few messages, and the server still has the other half to send meanwhile.
  const ackEvery = Math.ceil(window / 2);
  const frames: FrameMessage[] = [];
  let outcome: { done: DoneMessage } | { error: MaskletError } | undefined;
  let taken = 0;
  let acknowledged = 0;
  let isDraining = false;
  let wake: (() => void) | undefined;

  function settle(result: typeof outcome): void {
    outcome ??= result;
    wake?.();
  }

  async function change(): Promise<void> {
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
    wake = undefined;
  }

  function countTaken(): void {
    taken++;
    if (outcome || taken - acknowledged < ackEvery) return;
    acknowledged = taken;
    acknowledge(taken);
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
      if (frames.length === 0 && !outcome) await change();
      const frame = frames.shift();
      if (frame) {
        countTaken();
        return { done: false, value: frame };
      }
      if (outcome && "done" in outcome) return { done: true, value: outcome.done };
      throw outcome?.error;
    },
    repeatAck() {
      if (!outcome && acknowledged > 0) acknowledge(acknowledged);
    },
    async drain() {
      isDraining = true;
      frames.length = 0;
      if (!outcome) await change();
    },
    get length() {
      return frames.length;
    },
    get isSpent() {
      return outcome !== undefined && frames.length === 0;
    },
  };
}
