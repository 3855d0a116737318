/**
 * One client on one transport: reads messages and answers each request once.
 *
 * A connection reaches the sessions that it started or attached to. Requests that control a session are run by its runner
 * (session-runner.ts), and their results arrive through the session's channel. All other answers are sent directly, without
 * a `seq`: those of `attach_session`, `detach_session` and `get_server`, failed starts, and the reads of watchers.
 *
 * Requests run concurrently (a session keeps its own in order), so that a cancel overtakes the stream that it cancels. When
 * the client disconnects, its sessions and their requests continue, except `predict`.
 */
import {
  type AckMessage,
  type AnswerOf,
  CLOSE_CODES,
  encodeMessage,
  FIXED_LIMITS,
  ProtocolError,
  type PushFrameMessage,
  parseBinary,
  parseMessage,
  type Request,
  type RequestOf,
  type ServerMessage,
} from "../protocol/index.js";
import type { AckWindow } from "./ack-window.js";
import { sessionSaved, tokenNotFound, toProtocolError } from "./failure.js";
import { type HostedSession, type OpeningEvent, type StartRequest, startAnswer } from "./hosted-session.js";
import type { Logger } from "./log.js";
import type { Metrics } from "./metrics.js";
import type { Predictor } from "./predictor.js";
import { type ReachedSession, type ReachedSessions, reachSessions } from "./reached-sessions.js";
import {
  createAnswerer,
  isRead,
  propagate,
  type ServerReach,
  type SessionReach,
} from "./request-handlers.js";
import type { OwnerId } from "./session-owner.js";
import { windowOf } from "./session-runner.js";
import type { Transport, TransportListener } from "./transport.js";

export interface Connection extends TransportListener {
  /** Resolves when no request is waiting for its answer. */
  answered(): Promise<void>;
}

export interface ConnectionParts {
  transport: Transport;
  predictor: Pick<Predictor, "sessions" | "describe" | "saveSession" | "saved" | "shares">;
  owner: OwnerId;
  /**
   * The owner of a key that the client sends once more; on a server without keys, the owner of the connection.
   * @throws ProtocolError unauthenticated, rate_limit.
   */
  ownerOfKey(key: string): Promise<OwnerId>;
  /** With this many unanswered requests the transport is paused. */
  maxPendingRequests: number;
  log: Logger;
  metrics: Metrics;
}

interface Pending {
  done: Promise<void>;
  window: AckWindow | undefined;
}

export function openConnection(parts: ConnectionParts): Connection {
  const { transport, predictor, owner, maxPendingRequests, log, metrics } = parts;
  const { sessions, shares } = predictor;
  const pending = new Set<Pending>();
  /** Of the pushed frames that are not answered. */
  let pendingBytes = 0;
  let isPaused = false;
  let isClosed = false;

  const send = (message: ServerMessage) => transport.send(encodeMessage(message));
  const server: ServerReach = {
    server: () => predictor.describe(owner),
    save: (sessionId, content) => predictor.saveSession(owner, sessionId, content),
  };
  const reached: ReachedSessions = reachSessions({ transport, server, log, metrics });
  /** Reads of watchers, and requests about sessions that the connection does not reach. */
  const directReach: SessionReach = {
    ...server,
    async get(sessionId) {
      const session = reached.get(sessionId);
      if (!session) throw sessions.refusal(sessionId);
      return session.hosted.use();
    },
    async close() {},
  };
  const answerDirectly = createAnswerer(directReach);

  function fail(requestId: string | null, cause: unknown): Promise<void> {
    const error = toProtocolError(cause, log);
    metrics.count("masklet_errors_total", { code: error.code });
    return send({ type: "error", request_id: requestId, error: error.toBody() });
  }

  function respond(request_id: string, fields: object): Promise<void> {
    return send({ type: "response", request_id, ...fields } as ServerMessage);
  }

  /** The result belongs to the connection that controls the session then; this one waits only while it is the controller. */
  async function delivered(session: ReachedSession, published: Promise<void>): Promise<void> {
    await Promise.race([published, session.left]);
    await session.attachment.drained();
  }

  async function startSession(requestId: string, request: StartRequest): Promise<void> {
    const { session_id } = request;
    if (session_id !== undefined) reached.checkId(session_id);
    const onOpening = (event: OpeningEvent) => hosted.channel.publish("event", requestId, event);
    const hosted = sessions.start(owner, request, onOpening);
    const session = reached.add(hosted, { isWatcher: false, afterSeq: 0 });
    const finish = hosted.channel.begin(requestId);
    try {
      hosted.channel.publish("response", requestId, await startAnswer(hosted));
    } finally {
      finish();
    }
    await session.attachment.drained();
  }

  /** @throws ProtocolError session_not_found; session_saved when an earlier server saved the session for this owner */
  async function withToken(token: string): Promise<HostedSession> {
    try {
      return sessions.withToken(token);
    } catch (error) {
      const savedId = await predictor.saved.idOfToken(owner, token);
      throw savedId === undefined ? error : sessionSaved(savedId);
    }
  }

  async function attachSession(
    requestId: string,
    { session_token, after_seq, watch }: RequestOf<"attach_session">,
  ): Promise<void> {
    const hosted = await withToken(session_token);
    const session = await hosted.use().catch((error: ProtocolError) => {
      throw error.code === "session_not_found" ? tokenNotFound() : error;
    });
    if (isClosed) return;
    reached.checkId(hosted.id, hosted);
    const { channel } = hosted;
    const { lastSeq } = channel;
    const afterSeq = after_seq ?? lastSeq;
    if (afterSeq > lastSeq) {
      const message = `after_seq: expected at most ${lastSeq}, the last result of the session, got ${afterSeq}`;
      throw new ProtocolError("invalid_field", message, "after_seq");
    }
    const answer: AnswerOf<"attach_session"> = {
      ...session.facts,
      last_seq: lastSeq,
      lost: channel.lostAfter(afterSeq),
      pending: [...channel.pending],
      streams: channel.acked.counts(),
      control: !watch,
    };
    // The client has not received the masks that the session sent before: `changed_only` must not omit them.
    if (after_seq === undefined || answer.lost > 0) session.outputs.forget();
    // Before the attachment sends its first result.
    const sent = respond(requestId, answer);
    reached.add(hosted, { isWatcher: watch, afterSeq });
    await sent;
  }

  async function streamToWatcher(
    request_id: string,
    request: RequestOf<"propagate_in_video">,
  ): Promise<void> {
    const { session_id } = request;
    const stream = propagate(directReach, request);
    for (;;) {
      const { done, value } = await stream.next();
      if (done) return send({ type: "done", request_id, session_id, ...value });
      if (isClosed) return void (await stream.return({ num_frames: 0, cancelled: true }));
      await send({ type: "frame", request_id, session_id, ...value });
    }
  }

  async function authenticate(requestId: string, key: string): Promise<void> {
    let found: OwnerId;
    try {
      found = await parts.ownerOfKey(key);
    } catch (cause) {
      await fail(requestId, cause);
      transport.close(CLOSE_CODES.unauthenticated);
      return;
    }
    if (found !== owner) {
      const message = "key: this connection belongs to another owner; open another connection for this key";
      throw new ProtocolError("invalid_field", message, "key");
    }
    return respond(requestId, { is_success: true, owner });
  }

  async function answer(requestId: string, request: Request, window?: AckWindow): Promise<void> {
    metrics.count("masklet_requests_total", { type: request.type });
    if (request.type === "authenticate") return authenticate(requestId, request.key);
    if (request.type === "start_session" || request.type === "load_session")
      return startSession(requestId, request);
    if (request.type === "attach_session") return attachSession(requestId, request);
    const session = "session_id" in request ? reached.get(request.session_id) : undefined;
    if (request.type === "detach_session") {
      if (!session) throw sessions.refusal(request.session_id);
      reached.leave(session);
      return respond(requestId, { is_success: true });
    }
    if (window) reached.checkStreamId(requestId);
    if (session?.attachment.isWatcher === false)
      return delivered(session, session.runner.run(requestId, request, window));
    if (session && !isRead(request)) throw readOnly(session);
    if (request.type === "propagate_in_video") return streamToWatcher(requestId, request);
    return respond(requestId, await answerDirectly(request, session && { signal: session.leaving }));
  }

  async function answerPush(message: PushFrameMessage, picture: Uint8Array): Promise<void> {
    metrics.count("masklet_requests_total", { type: message.type });
    const session = reached.get(message.session_id);
    if (!session) throw sessions.refusal(message.session_id);
    if (session.attachment.isWatcher) throw readOnly(session);
    await delivered(session, session.runner.push(message, picture));
  }

  /** Counts a message that is answered. All take the same way, so that they keep their order. @throws ProtocolError rate_limit. */
  async function counted(work: () => Promise<void>): Promise<void> {
    await shares.countRequest(owner);
    return work();
  }

  function acknowledge({ request_id, num_frames }: AckMessage): void {
    const stream = reached.findStream(request_id);
    if (!stream) return;
    stream.window.acknowledge(num_frames);
    stream.hosted.touch();
  }

  /**
   * Pauses the transport while too many requests, or pushed frames of too many bytes, are unanswered. Streams that wait for an `ack` do not count: their
   * `ack` could not be read.
   */
  function regulate(): void {
    if (isClosed) return;
    let unanswered = pending.size;
    for (const { window } of pending) if (window?.isWaiting) unanswered--;
    const shouldPause =
      unanswered >= maxPendingRequests || pendingBytes >= FIXED_LIMITS.maxPendingPushBytes.value;
    if (shouldPause === isPaused) return;
    isPaused = shouldPause;
    if (shouldPause) transport.pause();
    else transport.resume();
  }

  function track(work: Promise<void>, window?: AckWindow): void {
    const done = work
      .catch((error) => log.error({ err: error }, "an answer could not be sent"))
      .finally(() => {
        pending.delete(entry);
        regulate();
      });
    const entry: Pending = { done, window };
    pending.add(entry);
    regulate();
  }

  return {
    onText(text) {
      const message = parseMessage(text);
      if (message.error) {
        const { requestId, error } = message;
        return track(counted(() => fail(requestId, error)).catch((cause) => fail(requestId, cause)));
      }
      if (message.ack) {
        try {
          acknowledge(message.ack);
        } catch (cause) {
          track(fail(null, cause));
        }
        return;
      }
      const { requestId, request } = message;
      const window = windowOf(request, regulate);
      const answering = () => answer(requestId, request, window);
      track(
        metrics
          .time("masklet_request_seconds", { type: request.type }, () => counted(answering))
          .catch((cause) => fail(requestId, cause)),
        window,
      );
    },
    onBinary(bytes) {
      const message = parseBinary(bytes);
      if (message.error) {
        const { requestId, error } = message;
        return track(counted(() => fail(requestId, error)).catch((cause) => fail(requestId, cause)));
      }
      const { requestId, push, payload } = message;
      pendingBytes += payload.length;
      track(
        counted(() => answerPush(push, payload))
          .catch((cause) => fail(requestId, cause))
          .finally(() => {
            pendingBytes -= payload.length;
          }),
      );
    },
    onClose() {
      isClosed = true;
      reached.leaveAll();
    },
    async answered() {
      while (pending.size > 0) await Promise.all([...pending].map(({ done }) => done));
    },
  };
}

function readOnly({ hosted }: ReachedSession): ProtocolError {
  const message = `This connection watches the session "${hosted.id}"; attach to it without watch to change it.`;
  return new ProtocolError("read_only", message, "session_id");
}
