/**
 * Runs the requests of a connection that controls a session. Their results go into the session's channel, from which the
 * connection receives them, or the one that attaches after it: a request does not end with its connection, except `predict`.
 */
import type { PushFrameMessage, Request, SingleRequest, StreamRequest } from "../protocol/index.js";
import { type AckWindow, createAckWindow } from "./ack-window.js";
import type { Attachment } from "./attachment.js";
import { toProtocolError } from "./failure.js";
import type { HostedSession } from "./hosted-session.js";
import { pushFrame } from "./live/live-requests.js";
import type { Logger } from "./log.js";
import type { Metrics } from "./metrics.js";
import { createAnswerer, type ServerReach } from "./request-handlers.js";

export interface SessionRunner {
  /**
   * Resolves when the result is published. Never rejects.
   * @param window of a stream whose frames are acknowledged, see `windowOf`
   */
  run(requestId: string, request: Request, window?: AckWindow): Promise<void>;
  /** Tracks one pushed frame. Resolves when its result is published. Never rejects. */
  push(message: PushFrameMessage, picture: Uint8Array): Promise<void>;
}

export interface SessionRunnerParts {
  hosted: HostedSession;
  /** The attachment of the connection whose requests are run. */
  attachment: Attachment;
  server: ServerReach;
  log: Logger;
  metrics: Metrics;
  /** Aborts when the connection closes or detaches. */
  left: AbortSignal;
}

/** The flow control that a request asks for. @param onWaiting called whenever the stream starts or stops to wait for an `ack`. */
export function windowOf(request: Request, onWaiting: () => void): AckWindow | undefined {
  if (request.type !== "propagate_in_video" || request.window === undefined) return undefined;
  return createAckWindow({ size: request.window, onWaiting });
}

export function createSessionRunner(parts: SessionRunnerParts): SessionRunner {
  const { hosted, attachment, server, log, metrics, left } = parts;
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
        await metrics.time("masklet_stage_seconds", { stage: "send" }, () => channel.ready());
      }
    } finally {
      end?.();
    }
  }

  async function runPush(message: PushFrameMessage, picture: Uint8Array): Promise<void> {
    const { type, ...fields } = await pushFrame(await hosted.use(), message, picture);
    channel.publish(type, message.request_id, fields);
    if (type === "frame") metrics.count("masklet_frames_total");
  }

  /**
   * Publishes the error of a request that fails.
   * @param abandoned aborts when no client can receive the result: nothing is published from then on, and the request is not
   * pending
   */
  async function orFail(
    requestId: string,
    request: () => Promise<void>,
    abandoned?: AbortSignal,
  ): Promise<void> {
    let finish = () => {};
    try {
      finish = channel.begin(requestId);
      abandoned?.addEventListener("abort", finish, { once: true });
      await request();
    } catch (cause) {
      if (abandoned?.aborted) return;
      const error = toProtocolError(cause, log);
      metrics.count("masklet_errors_total", { code: error.code });
      channel.publish("error", requestId, { error: error.toBody() });
    } finally {
      abandoned?.removeEventListener("abort", finish);
      // The client may send an abandoned request again, under the same id.
      if (!abandoned?.aborted) finish();
    }
  }

  /** The result of `predict` is of use for its client only, and costs more than sending it again. */
  async function runPredict(requestId: string, request: SingleRequest): Promise<void> {
    const fields = await answer(request, { signal: left });
    left.throwIfAborted();
    channel.publish("response", requestId, fields);
  }

  return {
    run(requestId, request, window) {
      if (request.type === "predict") return orFail(requestId, () => runPredict(requestId, request), left);
      return orFail(requestId, () =>
        request.type === "propagate_in_video"
          ? runStream(requestId, request, window)
          : runSingle(requestId, request),
      );
    },
    push: (message, picture) => orFail(message.request_id, () => runPush(message, picture)),
  };
}
