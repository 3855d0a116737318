/** The streams of one session by the request id that an `ack` names. */
import type { AckWindow } from "./ack-window.js";

export interface AckedStreams {
  /** The running streams with the frames that each has sent. */
  counts(): { request_id: string; num_frames: number }[];
  /** Registers a stream with a window until the returned function is called. */
  begin(requestId: string, window: AckWindow): () => void;
  /**
   * The window of a running stream; null for a stream that ended a short time ago, whose last acknowledgements may cross its
   * `done` on the way; undefined when no stream with a window has this id.
   */
  find(requestId: string): AckWindow | null | undefined;
}

/** Ended streams whose late acknowledgements are ignored. A session has one stream at once, so few end per round trip. */
const ENDED_STREAMS = 64;

export function createAckedStreams(): AckedStreams {
  const running = new Map<string, AckWindow>();
  const ended = new Set<string>();

  function end(requestId: string): void {
    running.delete(requestId);
    ended.delete(requestId);
    ended.add(requestId);
    if (ended.size <= ENDED_STREAMS) return;
    for (const oldest of ended) {
      ended.delete(oldest);
      break;
    }
  }

  return {
    begin(requestId, window) {
      running.set(requestId, window);
      return () => end(requestId);
    },
    counts: () => [...running].map(([request_id, window]) => ({ request_id, num_frames: window.sentFrames })),
    find: (requestId) => running.get(requestId) ?? (ended.has(requestId) ? null : undefined),
  };
}
