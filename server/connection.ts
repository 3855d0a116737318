/**
 * One client on one transport: reads requests and answers each under its request_id. It reaches the sessions that it
 * started. They outlive it: when the client disconnects, only its streams end.
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
import type { HostedSession, OpeningEvent, SessionEvent } from "./hosted-session.js";
import type { Logger } from "./log.js";
import type { Metrics } from "./metrics.js";
import { createAnswerer, propagate, type SessionReach } from "./request-handlers.js";
import type { OwnerId } from "./session-owner.js";
import type { SessionRegistry } from "./sessions.js";
import type { Transport, TransportListener } from "./transport.js";

export interface Connection extends TransportListener {
  /** Resolves when no request is waiting for its answer. */
  answered(): Promise<void>;
}

export interface ConnectionParts {
  transport: Transport;
  sessions: SessionRegistry;
  owner: OwnerId;
  /** With this many unanswered requests the transport is paused. */
  maxPendingRequests: number;
  log: Logger;
  metrics: Metrics;
}

export function openConnection(parts: ConnectionParts): Connection {
  const { transport, sessions, owner, maxPendingRequests, log, metrics } = parts;
  const reached = new Map<string, { hosted: HostedSession; leave(): void }>();
  const stopListening = sessions.listen(owner, (event) => {
    if (reached.has(event.session_id)) void send(toEventMessage(event));
  });
  const reach: SessionReach = {
    start(request, onOpening) {
      const hosted = sessions.start(owner, request, onOpening);
      const entry = { hosted, leave: hosted.attach() };
      reached.set(hosted.id, entry);
      void hosted.released.then(() => {
        if (reached.get(hosted.id) === entry) reached.delete(hosted.id);
      });
      return hosted;
    },
    async get(sessionId) {
      const hosted = reached.get(sessionId)?.hosted;
      if (!hosted) throw sessions.refusal(sessionId);
      return hosted.use();
    },
    close: async (sessionId) => reached.get(sessionId)?.hosted.close(),
  };
  const answerRequest = createAnswerer(reach);
  let isClosed = false;
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
      const fields = await answerRequest(request, { onOpening });
      return send({ type: "response", request_id, ...fields } as ResponseMessage);
    }
    const { session_id, window: size } = request;
    const window = size === undefined ? undefined : createAckWindow({ size, onWaiting: regulate });
    const end = acked.begin(request_id, { sessionId: session_id, window });
    try {
      const stream = propagate(reach, request, window);
      while (true) {
        if (isClosed) return void (await stream.return({ num_frames: 0, cancelled: true }));
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
    reached.get(stream.sessionId)?.hosted.touch();
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
      isClosed = true;
      stopListening();
      for (const { leave } of reached.values()) leave();
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
