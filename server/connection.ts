/**
 * One client on one transport: reads requests, answers each under its request_id, and releases its sessions when the client
 * disconnects.
 *
 * Requests run concurrently (a session keeps its own in order), so that a cancel overtakes the stream that it cancels.
 */
import {
  type AckMessage,
  type ErrorMessage,
  type EventMessage,
  ProtocolError,
  parseMessage,
  type Request,
  type ResponseMessage,
  type ServerMessage,
} from "../protocol/index.js";
import { createAckWindow } from "./ack-window.js";
import { createAckedStreams } from "./acked-streams.js";
import { toProtocolError } from "./failure.js";
import type { Logger } from "./log.js";
import type { Metrics } from "./metrics.js";
import type { Predictor } from "./predictor.js";
import type { OpeningEvent, SessionEvent } from "./session-owner.js";
import type { Transport, TransportListener } from "./transport.js";

export interface Connection extends TransportListener {
  /** Resolves when no request is waiting for its answer. */
  answered(): Promise<void>;
}

export interface ConnectionParts {
  transport: Transport;
  predictor: Predictor;
  /** With this many unanswered requests the transport is paused. */
  maxPendingRequests: number;
  log: Logger;
  metrics: Metrics;
}

export function openConnection(parts: ConnectionParts): Connection {
  const { transport, predictor, maxPendingRequests, log, metrics } = parts;
  const client = predictor.connect((event) => void send(toEventMessage(event)));
  const pending = new Set<Promise<void>>();
  const acked = createAckedStreams();
  let isPaused = false;

  const send = (message: ServerMessage) => transport.send(JSON.stringify(message));

  function fail(requestId: string | null, cause: unknown): Promise<void> {
    const error = toProtocolError(cause, log);
    metrics.count("masklet_errors_total", { code: error.code });
    return send({ type: "error", request_id: requestId, error: error.toBody() } satisfies ErrorMessage);
  }

  async function answer(request_id: string, request: Request): Promise<void> {
    metrics.count("masklet_requests_total", { type: request.type });
    if (request.type !== "propagate_in_video") {
      const onOpening = (event: OpeningEvent) => void send({ type: "event", request_id, ...event });
      const fields = await client.answer(request, { onOpening });
      return send({ type: "response", request_id, ...fields } as ResponseMessage);
    }
    const { session_id, window: size } = request;
    const window = size === undefined ? undefined : createAckWindow({ size, onWaiting: regulate });
    const end = acked.begin(request_id, { sessionId: session_id, window });
    try {
      const stream = client.stream(request, window);
      while (true) {
        const { done, value } = await stream.next();
        if (done) return await send({ type: "done", request_id, session_id, ...value });
        metrics.count("masklet_frames_total");
        // Waiting here makes the model wait for a slow reader.
        await send({ type: "frame", request_id, session_id, ...value });
      }
    } finally {
      end();
    }
  }

  function acknowledge({ request_id, num_frames }: AckMessage): void {
    const stream = acked.find(request_id);
    if (!stream) return;
    stream.window.acknowledge(num_frames);
    client.touch(stream.sessionId);
  }

  /**
   * Pauses the transport while too many requests are unanswered. Streams that wait for an `ack` do not count: their
   * `ack` could not be read.
   */
  function regulate(): void {
    const shouldPause = pending.size - acked.waiting >= maxPendingRequests;
    if (shouldPause === isPaused) return;
    isPaused = shouldPause;
    if (shouldPause) transport.pause();
    else transport.resume();
  }

  function track(work: Promise<void>): void {
    const settled = work
      .catch((error) => log.error({ err: error }, "an answer could not be sent"))
      .finally(() => {
        pending.delete(settled);
        regulate();
      });
    pending.add(settled);
    regulate();
  }

  return {
    onText(text) {
      const message = parseMessage(text);
      if (message.error) return track(fail(message.requestId, message.error));
      if (message.ack) {
        try {
          acknowledge(message.ack);
        } catch (cause) {
          track(fail(null, cause));
        }
        return;
      }
      const { requestId, request } = message;
      track(answer(requestId, request).catch((cause) => fail(requestId, cause)));
    },
    onBinary(bytes) {
      const message = `Requests are JSON text; got a binary message of ${bytes.length} bytes.`;
      track(fail(null, new ProtocolError("binary_not_expected", message)));
    },
    onClose() {
      client.release().catch((error) => log.error({ err: error }, "closing a client failed"));
    },
    async answered() {
      while (pending.size > 0) await Promise.all(pending);
    },
  };
}

function toEventMessage(event: SessionEvent): EventMessage {
  return event.event === "session_lost"
    ? { type: "event", ...event, error: event.error.toBody() }
    : { type: "event", ...event };
}
