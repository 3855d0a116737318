/** Flow control of one stream by acknowledgements: which frames may be sent, and what an `ack` changes. */
import { ProtocolError } from "../protocol/index.js";

export interface AckWindow {
  /**
   * Resolves to true when one more frame may be sent: at once while fewer frames than the window are unacknowledged,
   * otherwise after the next `ack` that makes room. Resolves to false when `signal` is aborted first. Never rejects.
   */
  room(signal: AbortSignal): Promise<boolean>;
  /** Frames that were sent since the start of the stream. */
  readonly sentFrames: number;
  /** True while `room` waits for an `ack`. */
  readonly isWaiting: boolean;
  /** Counts one frame as sent. */
  sent(): void;
  /**
   * Takes the number of frames that the client has received since the start of the stream. The number is cumulative: an
   * `ack` that repeats or follows a larger one changes nothing.
   * @throws ProtocolError invalid_field for more frames than were sent.
   */
  acknowledge(numFrames: number): void;
}

export interface AckWindowOptions {
  /** Frames that may be unacknowledged at once, from 1. */
  size: number;
  /** Called whenever `isWaiting` changes. */
  onWaiting?: () => void;
}

export function createAckWindow({ size, onWaiting = () => {} }: AckWindowOptions): AckWindow {
  let sentFrames = 0;
  let acknowledgedFrames = 0;
  let proceed: (() => void) | undefined;
  const hasRoom = () => sentFrames - acknowledgedFrames < size;

  return {
    async room(signal) {
      if (hasRoom()) return true;
      if (signal.aborted) return false;
      await new Promise<void>((resolve) => {
        proceed = () => {
          signal.removeEventListener("abort", onAbort);
          resolve();
        };
        const onAbort = () => proceed?.();
        signal.addEventListener("abort", onAbort);
        onWaiting();
      });
      proceed = undefined;
      onWaiting();
      return hasRoom();
    },
    get sentFrames() {
      return sentFrames;
    },
    get isWaiting() {
      return proceed !== undefined;
    },
    sent() {
      sentFrames++;
    },
    acknowledge(numFrames) {
      if (numFrames > sentFrames) {
        throw new ProtocolError(
          "invalid_field",
          `num_frames: expected at most ${sentFrames}, the frames sent so far, got ${numFrames}`,
          "num_frames",
        );
      }
      acknowledgedFrames = Math.max(acknowledgedFrames, numFrames);
      if (hasRoom()) proceed?.();
    },
  };
}
