/**
 * The sessions of all owners. An owner reaches its sessions by their ids; for all others they do not exist. Who has the
 * token of a session reaches it as well, whatever the owner.
 *
 * When there is no place for a new session, one that no connection uses any more is ended in its favour, see `place`.
 */
import { randomBytes } from "node:crypto";
import { v4 as uuid } from "uuid";
import { FIXED_LIMITS, ProtocolError, SHARES } from "../protocol/index.js";
import type { Clock } from "./clock.js";
import { sessionNotFound, shuttingDown, tokenNotFound } from "./failure.js";
import {
  type HostedSession,
  hostSession,
  type OnOpening,
  type SessionEvent,
  type SessionNews,
  type StartRequest,
} from "./hosted-session.js";
import type { Logger } from "./log.js";
import type { OpeningOptions } from "./media/source.js";
import type { Opening } from "./open-session.js";
import type { Session } from "./session.js";
import type { OwnerId } from "./session-owner.js";
import type { Lease, Shares } from "./shares/shares.js";

export interface SessionRegistry {
  /** @throws ProtocolError session_exists, session_limit, shutting_down. The session's `started` reports other failures. */
  start(owner: OwnerId, request: StartRequest, onOpening?: OnOpening): HostedSession;
  find(owner: OwnerId, sessionId: string): HostedSession | undefined;
  /** The error for a session that a caller does not reach: session_not_found, or shutting_down while the server stops. */
  refusal(sessionId: string): ProtocolError;
  /** The session with this token, of any owner. @throws ProtocolError session_not_found, shutting_down. */
  withToken(token: string): HostedSession;
  /** Reports what happens to the sessions of an owner, until the returned function is called. */
  listen(owner: OwnerId, listener: (event: SessionEvent) => void): () => void;
  /** The sessions of an owner in the order of their start, those that are being started included. */
  of(owner: OwnerId): readonly HostedSession[];
  countOf(owner: OwnerId): number;
  readonly count: number;
  /** The open sessions of all owners, those that are being started included. */
  readonly all: readonly HostedSession[];
  /** From now on new sessions are refused with shutting_down; open ones continue. */
  refuseNew(retryAfterMs: () => number): void;
  /** Running propagations fail with shutting_down, new sessions are refused. Resolves when all are gone. */
  shutDown(): Promise<void>;
}

export interface SessionRegistryParts {
  open(opening: Opening, news: SessionNews, options: OpeningOptions): Promise<Session>;
  clock: Clock;
  log: Logger;
  shares: Pick<Shares, "take">;
  limits: SessionLimits;
}

export interface SessionLimits {
  maxLogBytes: number;
  idleTimeoutMs: number;
  expiryWarningMs: number;
}

/** Bytes of randomness in a token; base64url makes 32 characters of them. */
const TOKEN_BYTES = 24;

interface Owner {
  sessions: Map<string, HostedSession>;
  listeners: Set<(event: SessionEvent) => void>;
}

export function createSessionRegistry(parts: SessionRegistryParts): SessionRegistry {
  const { open, clock, log, shares, limits } = parts;
  const byToken = new Map<string, HostedSession>();
  const owners = new Map<OwnerId, Owner>();
  /** Sessions whose resources are not released yet, ended ones included. */
  const unreleased = new Set<HostedSession>();
  let isStopping = false;
  /** Set while the server drains: when to come again, in milliseconds from now. */
  let retryAfterMs: (() => number) | undefined;

  function ownerOf(id: OwnerId): Owner {
    const known = owners.get(id) ?? { sessions: new Map(), listeners: new Set() };
    owners.set(id, known);
    return known;
  }

  function forgetIfUnused(id: OwnerId): void {
    const { sessions, listeners } = ownerOf(id);
    if (sessions.size === 0 && listeners.size === 0) owners.delete(id);
  }

  /** Ends the idle session that has had no connection for the longest time, at least `minimumMs`. Returns whether one was ended. */
  function endUnattached(candidates: Iterable<HostedSession>, minimumMs: number): boolean {
    let oldest: { hosted: HostedSession; sinceMs: number } | undefined;
    for (const hosted of candidates) {
      const sinceMs = hosted.unattachedSinceMs;
      if (sinceMs === undefined || sinceMs > clock.nowMs() - minimumMs) continue;
      if (!oldest || sinceMs < oldest.sinceMs) oldest = { hosted, sinceMs };
    }
    if (!oldest) return false;
    const { hosted } = oldest;
    log.info({ session: hosted.id }, "ending an unattached session in favour of a new one");
    hosted.end(sessionNotFound(hosted.id), { event: "session_expired", session_id: hosted.id });
    return true;
  }

  /**
   * A place for one more session. An owner that has reached its limit loses an own session that is idle and has no
   * connection; at the limit of the server, first an own one, then that of another owner after a time of grace.
   * @throws ProtocolError session_limit when there is no such session.
   */
  function place(id: OwnerId): Lease {
    const { sessions } = ownerOf(id);
    for (;;) {
      try {
        return shares.take("sessions", id);
      } catch (error) {
        const mayEndOthers = (error as ProtocolError).limit === SHARES.sessions.inAll;
        const hasEnded =
          endUnattached(sessions.values(), 0) ||
          (mayEndOthers && endUnattached(byToken.values(), FIXED_LIMITS.unattachedGraceMs.value));
        if (!hasEnded) throw error;
      }
    }
  }

  const stopping = () => shuttingDown(retryAfterMs?.());

  function checkRunning(): void {
    if (isStopping) throw stopping();
  }

  return {
    start(ownerId, request, onOpening) {
      if (isStopping || retryAfterMs) throw stopping();
      const id = request.session_id ?? uuid();
      let lease: Lease;
      try {
        if (ownerOf(ownerId).sessions.has(id)) {
          const message = `The session "${id}" is open; attach to it with its session_token, or choose another id.`;
          throw new ProtocolError("session_exists", message, "session_id");
        }
        if (request.session_token !== undefined && byToken.has(request.session_token)) {
          const message = "A session with this token is open; attach to it, or choose another token.";
          throw new ProtocolError("session_exists", message, "session_token");
        }
        lease = place(ownerId);
      } catch (error) {
        forgetIfUnused(ownerId);
        throw error;
      }
      const token = request.session_token ?? randomBytes(TOKEN_BYTES).toString("base64url");
      const hosted = hostSession({
        id,
        owner: ownerId,
        request,
        token,
        isTokenSecret: request.session_token === undefined,
        open: (news, options) => open({ sessionId: id, owner: ownerId, request }, news, options),
        onOpening,
        onEvent(event) {
          for (const listener of ownerOf(ownerId).listeners) listener(event);
          forgetIfUnused(ownerId);
        },
        onEnd() {
          ownerOf(ownerId).sessions.delete(id);
          byToken.delete(token);
          lease.release();
          forgetIfUnused(ownerId);
        },
        clock,
        log,
        limits,
      });
      // Before the first await, so that two starts cannot share a name or the last free place.
      ownerOf(ownerId).sessions.set(id, hosted);
      byToken.set(token, hosted);
      unreleased.add(hosted);
      void hosted.released.then(() => unreleased.delete(hosted));
      return hosted;
    },
    find: (ownerId, sessionId) => owners.get(ownerId)?.sessions.get(sessionId),
    refusal: (sessionId) => (isStopping ? stopping() : sessionNotFound(sessionId)),
    withToken(token) {
      checkRunning();
      const hosted = byToken.get(token);
      if (hosted) return hosted;
      throw tokenNotFound();
    },
    listen(ownerId, listener) {
      ownerOf(ownerId).listeners.add(listener);
      return () => {
        ownerOf(ownerId).listeners.delete(listener);
        forgetIfUnused(ownerId);
      };
    },
    of: (ownerId) => [...(owners.get(ownerId)?.sessions.values() ?? [])],
    countOf: (ownerId) => owners.get(ownerId)?.sessions.size ?? 0,
    get count() {
      return byToken.size;
    },
    get all() {
      return [...byToken.values()];
    },
    refuseNew(waitMs) {
      retryAfterMs = waitMs;
    },
    async shutDown() {
      isStopping = true;
      for (const hosted of [...byToken.values()]) hosted.end(stopping());
      await Promise.all([...unreleased].map((hosted) => hosted.released));
    },
  };
}
