/**
 * Runs the requests of a connection that controls a session. Their results go into the session's channel, from which the
 * connection receives them, or the one that attaches after it: a request does not end with its connection.
 */
import type { Request, SingleRequest, StreamRequest } from "../protocol/index.js";
import { type AckWindow, createAckWindow } from "./ack-window.js";
import type { Attachment } from "./attachment.js";
import { toProtocolError } from "./failure.js";
import type { HostedSession } from "./hosted-session.js";
import type { Logger } from "./log.js";
import type { Metrics } from "./metrics.js";
import { createAnswerer, type ServerReach } from "./request-handlers.js";

export interface SessionRunner {
  /**
   * Resolves when the result is published. Never rejects.
   * @param window of a stream whose frames are acknowledged, see `windowOf`
   */
  run(requestId: string, request: Request, window?: AckWindow): Promise<void>;
}

export interface SessionRunnerParts {
  hosted: HostedSession;
  /** The attachment of the connection whose requests are run. */
  attachment: Attachment;
  server: ServerReach;
  log: Logger;
  metrics: Metrics;
}

/** The flow control that a request asks for. @param onWaiting called whenever the stream starts or stops to wait for an `ack`. */
export function windowOf(request: Request, onWaiting: () => void): AckWindow | undefined {
  if (request.type !== "propagate_in_video" || request.window === undefined) return undefined;
  return createAckWindow({ size: request.window, onWaiting });
}

export function createSessionRunner(parts: SessionRunnerParts): SessionRunner {
  const { hosted, attachment, server, log, metrics } = parts;
  const { channel } = hosted;
  const answer = createAnswerer({
    ...server,
    get: () => hosted.use(),
    close: () => hosted.close(attachment),
  });

  async function runSingle(requestId: string, request: SingleRequest): Promise<void> {
    const fields = await answer(request);
    channel.publish("response", requestId, fields);
  }

  async function runStream(requestId: string, request: StreamRequest, window?: AckWindow): Promise<void> {
    const end = window && channel.acked.begin(requestId, window);
    try {
      const session = await hosted.use();
      const stream = session.propagate(request, window);
      for (;;) {
        const { done, value } = await stream.next();
        channel.publish(done ? "done" : "frame", requestId, value);
        if (done) return;
        metrics.count("masklet_frames_total");
        hosted.touch();
        await channel.ready();
      }
    } finally {
      end?.();
    }
  }

  return {
    async run(requestId, request, window) {
      let finish = () => {};
      try {
        finish = channel.begin(requestId);
        if (request.type === "propagate_in_video") await runStream(requestId, request, window);
        else await runSingle(requestId, request);
      } catch (cause) {
        const error = toProtocolError(cause, log);
        metrics.count("masklet_errors_total", { code: error.code });
        channel.publish("error", requestId, { error: error.toBody() });
      } finally {
        finish();
      }
    },
  };
}
