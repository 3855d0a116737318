/**
 * One session from its start to its end. A session outlives the connections that use it. It ends when it is closed, after a
 * time without use, when the engine loses it, when a new session needs its place, or with the server.
 *
 * `use` of a session means: a request, an acknowledgement, or a propagation that makes progress.
 */
import { type AnswerOf, ProtocolError, type RequestOf } from "../protocol/index.js";
import type { Attachment } from "./attachment.js";
import type { Clock } from "./clock.js";
import { type Expiry, watchExpiry } from "./expiry.js";
import { sessionNotFound } from "./failure.js";
import type { Logger } from "./log.js";
import type { OpeningProgress } from "./media/progress.js";
import type { OpeningOptions } from "./media/source.js";
import type { Session } from "./session.js";
import { createSessionChannel, type SessionChannel } from "./session-channel.js";
import type { OwnerId } from "./session-owner.js";

/** The requests that start a session. */
export type StartRequest = RequestOf<"start_session"> | RequestOf<"load_session">;

/** What happens to a session without a request of its client. */
export type SessionEvent =
  | { event: "session_expiring"; session_id: string; expires_in_ms: number }
  | { event: "session_expired"; session_id: string }
  | { event: "session_recovered"; session_id: string }
  | ({ event: "session_saved"; session_id: string } & AnswerOf<"save_session">)
  | { event: "session_lost"; session_id: string; error: ProtocolError };

/** Progress of a `start_session` whose video takes long to open. */
export interface OpeningEvent extends OpeningProgress {
  event: "session_opening";
  session_id: string;
}

export type OnOpening = (event: OpeningEvent) => void;

/** What the engine reports about a session. */
export interface SessionNews {
  /** True while a client is attached. */
  isInUse(): boolean;
  /** The engine has rebuilt the session. */
  recovered(): void;
  /** The engine has lost the session. */
  lost(error: ProtocolError): void;
}

export interface HostedSession {
  readonly id: string;
  readonly owner: OwnerId;
  /** What started the session. */
  readonly request: StartRequest;
  /** When it was started, in milliseconds since 1970. */
  readonly createdAtMs: number;
  /** The results of requests over WebSockets, and events. */
  readonly channel: SessionChannel;
  readonly hasEnded: boolean;
  /** Anyone who has the token may attach to the session. */
  readonly token: string;
  /** Resolves when the session has started; rejects with the reason why it cannot start. */
  readonly started: Promise<Session>;
  /**
   * The time, by the clock of the server, since which an idle session has no connection. Undefined while it has one, while
   * it is busy or being started, and when it never had a connection.
   */
  readonly unattachedSinceMs: number | undefined;
  /** The session once it has started. */
  readonly session: Session | undefined;
  /** True while the session is being started, answers a request or propagates. */
  readonly isBusy: boolean;
  /** Counts as use. Waits while the session is being started. @throws ProtocolError session_not_found, shutting_down. */
  use(): Promise<Session>;
  /** Counts as use. */
  touch(): void;
  /**
   * Answers earlier requests first. Abandons the start of a session that no earlier request waits for.
   * @param closer the attachment of the connection that requests it
   */
  close(closer?: Attachment): Promise<void>;
  /**
   * Ends a session whose client left during the start: the answer with the token cannot be delivered, so no one could attach to
   * it. Has no effect once it has started, or when the client has chosen the token.
   */
  abandon(): void;
  /** Ends the session at once: running work fails with `reason`. Without an event, only the log reports it. */
  end(reason: ProtocolError, event?: SessionEvent): void;
  /** Resolves when all its resources are released. */
  readonly released: Promise<void>;
}

export interface HostedSessionParts {
  id: string;
  owner: OwnerId;
  request: StartRequest;
  token: string;
  /** True when no one can know the token before the answer to `start_session` is received. */
  isTokenSecret: boolean;
  open(news: SessionNews, options: OpeningOptions): Promise<Session>;
  onOpening: OnOpening | undefined;
  onEvent(event: SessionEvent): void;
  /** Called once, before the resources are released: the place of the session is free. */
  onEnd(): void;
  clock: Clock;
  log: Logger;
  limits: { idleTimeoutMs: number; expiryWarningMs: number; maxLogBytes: number };
}

export function hostSession(parts: HostedSessionParts): HostedSession {
  const { id, clock, log, limits } = parts;
  const starting = new AbortController();
  const createdAtMs = Date.now();
  let session: Session | undefined;
  let expiry: Expiry | undefined;
  /** Requests that wait for the start. */
  let waiting = 0;
  let leftAtMs: number | undefined;
  let hasEnded = false;
  /** What later requests get. */
  let refusal: ProtocolError = sessionNotFound(id);
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });

  const channel = createSessionChannel({
    sessionId: id,
    maxLogBytes: limits.maxLogBytes,
    onDetach() {
      leftAtMs = clock.nowMs();
      if (channel.attachments === 0) abandon();
    },
  });

  function abandon(): void {
    if (session || !parts.isTokenSecret) return;
    end(new ProtocolError("session_not_found", "The client disconnected during the start."));
  }

  function report(event: SessionEvent): void {
    channel.publish("event", undefined, "error" in event ? { ...event, error: event.error.toBody() } : event);
    parts.onEvent(event);
  }

  /** @param closer see {@link SessionChannel.end} */
  function finish(closer: Attachment | null | undefined): boolean {
    if (hasEnded) return false;
    hasEnded = true;
    expiry?.stop();
    parts.onEnd();
    channel.end(closer);
    return true;
  }

  async function releaseAfter(closing: Promise<void>): Promise<void> {
    await closing.catch((error) => log.error({ err: error }, "closing a session failed"));
    release();
  }

  function end(reason: ProtocolError, event?: SessionEvent): void {
    if (hasEnded) return;
    // A session that is still being started is reported by the answer to its start_session.
    if (session && event) report(event);
    finish(null);
    if (reason.code === "shutting_down") refusal = reason;
    starting.abort(reason);
    if (!session) return;
    void releaseAfter(session.close(reason));
    log.info({ session: id, reason: event?.event ?? reason.code }, "session ended");
  }

  const news: SessionNews = {
    isInUse: () => channel.attachments > 0,
    recovered() {
      log.info({ session: id }, "session recovered");
      report({ event: "session_recovered", session_id: id });
    },
    lost: (error) => end(error, { event: "session_lost", session_id: id, error }),
  };

  /** When it resolves, the session is complete. When it rejects, all resources are released. */
  async function begin(): Promise<Session> {
    const { signal } = starting;
    const onProgress = (progress: OpeningProgress) => {
      // The answer has been sent when the session was ended meanwhile.
      if (!hasEnded) parts.onOpening?.({ event: "session_opening", session_id: id, ...progress });
    };
    try {
      const opened = await parts.open(news, { signal, onProgress });
      if (hasEnded) {
        await releaseAfter(opened.close());
        throw signal.reason;
      }
      session = opened;
      expiry = watchExpiry({
        clock,
        timeoutMs: limits.idleTimeoutMs,
        warningMs: limits.expiryWarningMs,
        // A propagation that waits for its reader, or for room in the log, makes no progress.
        isBusy: () => opened.busy && !channel.isHoldingBack,
        onWarning: (expires_in_ms) => report({ event: "session_expiring", session_id: id, expires_in_ms }),
        onExpire: () => end(sessionNotFound(id), { event: "session_expired", session_id: id }),
      });
      log.info({ session: id, video: opened.facts }, "session started");
      return opened;
    } catch (error) {
      finish(null);
      release();
      throw error;
    }
  }

  const started = begin();
  // `use` reports a failed start as a missing session, and the caller of the start reports the failure itself.
  started.catch(() => {});

  return {
    id,
    owner: parts.owner,
    request: parts.request,
    createdAtMs,
    token: parts.token,
    started,
    released,
    channel,
    get hasEnded() {
      return hasEnded;
    },
    get unattachedSinceMs() {
      const isIdle = session && !session.busy && channel.pending.length === 0;
      return isIdle && channel.attachments === 0 ? leftAtMs : undefined;
    },
    get session() {
      return session;
    },
    get isBusy() {
      if (hasEnded) return false;
      return !session || session.busy || channel.pending.length > 0;
    },
    async use() {
      waiting++;
      await started.catch(() => {});
      waiting--;
      // A close_session that was sent before may have ended it meanwhile.
      if (!session || hasEnded) throw refusal;
      expiry?.touch();
      return session;
    },
    touch: () => expiry?.touch(),
    async close(closer) {
      if (!session && waiting === 0 && finish(closer)) {
        log.info({ session: id }, "session closed during its start");
        starting.abort(closedDuringStart());
        return released;
      }
      const opened = await started.catch(() => undefined);
      if (!opened || !finish(closer)) return;
      log.info({ session: id }, "session closed");
      opened.cancel();
      await releaseAfter(opened.drained().then(() => opened.close()));
    },
    abandon,
    end,
  };
}

function closedDuringStart(): ProtocolError {
  return new ProtocolError("session_not_found", "The session was closed while it was being started.");
}

/** The answer to the request that starts a session, once it has started. */
export async function startAnswer({ started, token }: HostedSession) {
  const { facts, loaded } = await started;
  return { ...facts, session_token: token, ...loaded };
}
