/** One client's sessions, from start to end. */
import { v4 as uuid } from "uuid";
import { ProtocolError, type RequestOf } from "../protocol/index.js";
import type { Clock } from "./clock.js";
import { type Expiry, watchExpiry } from "./expiry.js";
import { sessionNotFound } from "./failure.js";
import type { Logger } from "./log.js";
import type { OpeningProgress } from "./media/progress.js";
import type { OpeningOptions } from "./media/source.js";
import type { Session } from "./session.js";

export type StartRequest = RequestOf<"start_session">;

/** What happens to a client's session without a request of that client. */
export type SessionEvent =
  | { event: "session_expiring"; session_id: string; expires_in_ms: number }
  | { event: "session_expired"; session_id: string }
  | { event: "session_recovered"; session_id: string }
  | { event: "session_lost"; session_id: string; error: ProtocolError };

/** Progress of a `start_session` whose video takes long to open. */
export interface OpeningEvent extends OpeningProgress {
  event: "session_opening";
  session_id: string;
}

export type OnOpening = (event: OpeningEvent) => void;

export interface SessionOwner {
  /** @throws ProtocolError session_exists, session_limit, shutting_down, or what is wrong with the video. */
  start(request: StartRequest, onOpening?: OnOpening): Promise<Session>;
  /** Counts as use of the session. Waits while it is being started. @throws ProtocolError session_not_found. */
  get(sessionId: string): Promise<Session>;
  /** Counts as use; does nothing for a session that is not there. */
  touch(sessionId: string): void;
  /** Answers earlier requests first. An unknown session counts as closed. */
  close(sessionId: string): Promise<void>;
  /** Ends all sessions of this client, also those being started, and refuses new ones. */
  release(reason?: ProtocolError): Promise<void>;
}

/** A session that is being started or runs. */
export interface Entry {
  sessionId: string;
  ready: Promise<Session>;
  session?: Session;
  expiry?: Expiry;
  /** The engine has rebuilt the session: informs the client. */
  recovered(): void;
  /** The engine has lost the session: ends it with `error` and informs the client. */
  lose(error: ProtocolError): void;
  /** Set when the session was lost. */
  failure?: ProtocolError;
}

export interface SessionOwnerParts {
  open(request: StartRequest, entry: Entry, options: OpeningOptions): Promise<Session>;
  /** The sessions of all clients. */
  allSessions: Set<Entry>;
  onEvent(event: SessionEvent): void;
  clock: Clock;
  log: Logger;
  limits: SessionLimits;
}

export interface SessionLimits {
  maxSessions: number;
  maxSessionsPerConnection: number;
  idleTimeoutMs: number;
  expiryWarningMs: number;
}

export function createSessionOwner(parts: SessionOwnerParts): SessionOwner {
  const { allSessions, clock, log, limits, onEvent } = parts;
  const mine = new Map<string, Entry>();
  const leaving = new AbortController();
  const closings = new Set<Promise<void>>();

  function forget(entry: Entry): void {
    entry.expiry?.stop();
    allSessions.delete(entry);
    if (mine.get(entry.sessionId) === entry) mine.delete(entry.sessionId);
  }

  /** `release` waits for everything that is closing. */
  function closeInBackground(close: () => Promise<void>): Promise<void> {
    const closing = close()
      .catch((error) => log.error({ err: error }, "closing a session failed"))
      .finally(() => closings.delete(closing));
    closings.add(closing);
    return closing;
  }

  function end(entry: Entry, reason: ProtocolError, event: SessionEvent): void {
    const { session } = entry;
    if (!allSessions.has(entry)) return;
    forget(entry);
    // A session that is still being started is reported by the answer to its start_session.
    if (!session) return;
    void closeInBackground(() => session.close(reason));
    log.info({ session: entry.sessionId, event: event.event }, "session ended");
    onEvent(event);
  }

  /** When it resolves, the session is complete. When it rejects, all resources are released. */
  async function begin(entry: Entry, request: StartRequest, onOpening?: OnOpening): Promise<Session> {
    const { signal } = leaving;
    const onProgress = (progress: OpeningProgress) => {
      // The answer has been sent when the session was ended meanwhile.
      if (allSessions.has(entry))
        onOpening?.({ event: "session_opening", session_id: entry.sessionId, ...progress });
    };
    try {
      const session = await parts.open(request, entry, { signal, onProgress });
      if (leaving.signal.aborted || !allSessions.has(entry)) {
        await closeInBackground(() => session.close());
        leaving.signal.throwIfAborted();
        throw entry.failure ?? sessionNotFound(entry.sessionId);
      }
      entry.session = session;
      entry.expiry = watchExpiry({
        clock,
        timeoutMs: limits.idleTimeoutMs,
        warningMs: limits.expiryWarningMs,
        isBusy: () => session.busy,
        onWarning: (expires_in_ms) =>
          onEvent({ event: "session_expiring", session_id: entry.sessionId, expires_in_ms }),
        onExpire: () => {
          const event = { event: "session_expired", session_id: entry.sessionId } as const;
          end(entry, sessionNotFound(entry.sessionId), event);
        },
      });
      log.info({ session: entry.sessionId, video: session.facts }, "session started");
      return session;
    } catch (error) {
      forget(entry);
      throw error;
    }
  }

  function checkRoom(): void {
    const refuse = (whose: string, limit: number) =>
      new ProtocolError("session_limit", `${whose} ${limit} sessions, which is the limit; close one first.`);
    if (mine.size >= limits.maxSessionsPerConnection) {
      throw refuse("This client has", limits.maxSessionsPerConnection);
    }
    if (allSessions.size >= limits.maxSessions) throw refuse("The server has", limits.maxSessions);
  }

  return {
    async start(request, onOpening) {
      leaving.signal.throwIfAborted();
      const sessionId = request.session_id ?? uuid();
      if (mine.has(sessionId)) {
        throw new ProtocolError("session_exists", `The session "${sessionId}" is open.`, "session_id");
      }
      checkRoom();
      const recovered = () => {
        log.info({ session: sessionId }, "session recovered");
        onEvent({ event: "session_recovered", session_id: sessionId });
      };
      const lose = (error: ProtocolError) => {
        entry.failure = error;
        end(entry, error, { event: "session_lost", session_id: sessionId, error });
      };
      const entry = { sessionId, recovered, lose } as Entry;
      // Before the first await, so that two starts cannot share a name or the last free place.
      mine.set(sessionId, entry);
      allSessions.add(entry);
      entry.ready = begin(entry, request, onOpening);
      return entry.ready;
    },

    async get(sessionId) {
      const entry = mine.get(sessionId);
      if (!entry) throw leaving.signal.aborted ? leaving.signal.reason : sessionNotFound(sessionId);
      const session = await entry.ready.catch(() => {
        throw sessionNotFound(sessionId);
      });
      // A close_session that was sent before may have ended it meanwhile.
      if (mine.get(sessionId) !== entry) throw sessionNotFound(sessionId);
      entry.expiry?.touch();
      return session;
    },

    touch: (sessionId) => mine.get(sessionId)?.expiry?.touch(),

    async close(sessionId) {
      const entry = mine.get(sessionId);
      const session = await entry?.ready.catch(() => undefined);
      if (!entry || !session) return;
      forget(entry);
      log.info({ session: sessionId }, "session closed");
      session.cancel();
      await closeInBackground(async () => {
        await session.settled();
        await session.close();
      });
    },

    async release(reason) {
      leaving.abort(reason ?? new ProtocolError("session_not_found", "The client has disconnected."));
      const starting = [...mine.values()].map((entry) => entry.ready.catch(() => {}));
      for (const entry of mine.values()) {
        const { session } = entry;
        if (!session) continue;
        forget(entry);
        void closeInBackground(() => session.close(reason));
      }
      await Promise.all(starting);
      await Promise.all(closings);
    },
  };
}
