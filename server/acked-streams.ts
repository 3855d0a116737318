/** The streams of one connection by the request id that an `ack` names. */
import { ProtocolError } from "../protocol/index.js";
import type { AckWindow } from "./ack-window.js";

export interface AckedStream {
  sessionId: string;
  window: AckWindow;
}

export interface AckedStreams {
  /**
   * Registers a stream, with or without a window, until the returned function is called.
   * @throws ProtocolError invalid_field while another stream with a window has this request id.
   */
  begin(requestId: string, stream: { sessionId: string; window: AckWindow | undefined }): () => void;
  /**
   * The running stream that an `ack` names; undefined for one that ended a short time ago, whose last acknowledgements
   * may cross its `done` on the way.
   * @throws ProtocolError invalid_field for a stream without a window, or that was never started.
   */
  find(requestId: string): AckedStream | undefined;
  /** Streams that wait for an `ack`. */
  readonly waiting: number;
}

/** Ended streams whose late acknowledgements are ignored. A connection has few streams at once, so few end per round trip. */
const ENDED_STREAMS = 256;

export function createAckedStreams(): AckedStreams {
  const running = new Map<string, AckedStream>();
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
    begin(requestId, { sessionId, window }) {
      if (!window) return () => {};
      if (running.has(requestId)) {
        throw new ProtocolError(
          "invalid_field",
          `request_id: expected a new one, got "${requestId}", which a running stream has`,
          "request_id",
        );
      }
      running.set(requestId, { sessionId, window });
      return () => end(requestId);
    },
    find(requestId) {
      const stream = running.get(requestId);
      if (stream || ended.has(requestId)) return stream;
      throw new ProtocolError(
        "invalid_field",
        `request_id: expected that of a propagate_in_video request with a window, got "${requestId}"`,
        "request_id",
      );
    },
    get waiting() {
      let count = 0;
      for (const { window } of running.values()) if (window.isWaiting) count++;
      return count;
    },
  };
}
