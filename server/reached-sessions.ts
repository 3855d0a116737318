/** The sessions that one connection started or attached to, by their ids. */
import { setMaxListeners } from "node:events";
import { type EventMessage, ProtocolError } from "../protocol/index.js";
import type { AckWindow } from "./ack-window.js";
import type { Attachment } from "./attachment.js";
import { clientLeft } from "./failure.js";
import type { HostedSession } from "./hosted-session.js";
import type { Logger } from "./log.js";
import type { Metrics } from "./metrics.js";
import type { ServerReach } from "./request-handlers.js";
import type { DetachReason } from "./session-channel.js";
import { createSessionRunner, type SessionRunner } from "./session-runner.js";
import type { Transport } from "./transport.js";

export interface ReachedSession {
  readonly hosted: HostedSession;
  readonly attachment: Attachment;
  readonly runner: SessionRunner;
  /** Resolves when the connection is no longer attached to the session. */
  readonly left: Promise<void>;
  /** Aborts when the connection closes or detaches, but not when another one takes over. */
  readonly leaving: AbortSignal;
}

export interface ReachedSessions {
  get(sessionId: string): ReachedSession | undefined;
  /**
   * Ids identify the sessions of a connection, also those of several owners.
   * @throws ProtocolError session_exists when another session than `hosted` has this id.
   */
  checkId(sessionId: string, hosted?: HostedSession): void;
  /** Attaches the connection to a session. An earlier attachment to the same session ends. */
  add(hosted: HostedSession, options: { isWatcher: boolean; afterSeq: number }): ReachedSession;
  leave(session: ReachedSession): void;
  leaveAll(): void;
  /**
   * An `ack` names a stream by its request id alone.
   * @throws ProtocolError invalid_field while a stream with a window has this id.
   */
  checkStreamId(requestId: string): void;
  /**
   * The running stream that an `ack` names, among those of the controlled sessions; undefined for one that ended a short time
   * ago.
   * @throws ProtocolError invalid_field for a stream without a window, or that was never started.
   */
  findStream(requestId: string): { hosted: HostedSession; window: AckWindow } | undefined;
}

export interface ReachedSessionsParts {
  transport: Transport;
  server: ServerReach;
  log: Logger;
  metrics: Metrics;
}

export function reachSessions({ transport, server, log, metrics }: ReachedSessionsParts): ReachedSessions {
  const sessions = new Map<string, ReachedSession & { onLeft(): void; abandon: () => void }>();

  function remove(hosted: HostedSession): void {
    const session = sessions.get(hosted.id);
    if (session?.hosted !== hosted) return;
    sessions.delete(hosted.id);
    session.onLeft();
  }

  function onEnd(hosted: HostedSession, reason: DetachReason): void {
    remove(hosted);
    if (reason === "ended") return;
    const event: EventMessage = { type: "event", event: "session_detached", session_id: hosted.id, reason };
    void transport.send(JSON.stringify(event));
  }

  function detach({ hosted, attachment }: ReachedSession): void {
    remove(hosted);
    hosted.channel.detach(attachment);
  }

  function leave(session: ReachedSession): void {
    const abandon = sessions.get(session.hosted.id)?.abandon;
    detach(session);
    abandon?.();
  }

  return {
    get: (sessionId) => sessions.get(sessionId),
    checkId(sessionId, hosted) {
      const known = sessions.get(sessionId);
      if (!known || known.hosted === hosted || known.hosted.hasEnded) return;
      const message = `This connection has a session "${sessionId}" already.`;
      throw new ProtocolError("session_exists", message, "session_id");
    },
    add(hosted, options) {
      const earlier = sessions.get(hosted.id);
      // Another session with this id has ended; its last results are still sent.
      if (earlier?.hosted === hosted) detach(earlier);
      let onLeft = () => {};
      const left = new Promise<void>((resolve) => {
        onLeft = resolve;
      });
      const attachment = hosted.channel.attach({
        transport,
        ...options,
        onEnd: (reason) => onEnd(hosted, reason),
      });
      const leaving = new AbortController();
      const { signal } = leaving;
      // Each `predict` that waits observes it. `maxPendingRequests` limits them.
      setMaxListeners(0, signal);
      const runner = createSessionRunner({ hosted, attachment, server, log, metrics, left: signal });
      const abandon = () => leaving.abort(clientLeft());
      const session = { hosted, attachment, runner, left, leaving: signal, onLeft, abandon };
      sessions.set(hosted.id, session);
      return session;
    },
    leave,
    leaveAll() {
      for (const session of [...sessions.values()]) leave(session);
    },
    checkStreamId(requestId) {
      for (const { hosted } of sessions.values()) {
        if (!hosted.channel.acked.find(requestId)) continue;
        const message = `request_id: expected a new one, got "${requestId}", which a running stream has`;
        throw new ProtocolError("invalid_field", message, "request_id");
      }
    },
    findStream(requestId) {
      let isKnown = false;
      for (const { hosted, attachment } of sessions.values()) {
        if (attachment.isWatcher) continue;
        const window = hosted.channel.acked.find(requestId);
        if (window) return { hosted, window };
        isKnown ||= window === null;
      }
      if (isKnown) return undefined;
      throw new ProtocolError(
        "invalid_field",
        `request_id: expected that of a propagate_in_video request with a window, got "${requestId}"`,
        "request_id",
      );
    },
  };
}
