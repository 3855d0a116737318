/**
 * What a client does after its connection is open again: it attaches to each of its sessions, receives the results that it
 * missed, and then sends the requests that have not reached the server. These are neither answered by the replay nor pending
 * on the server.
 */
import type { AnswerOf, EventMessage } from "../../protocol/index.js";
import { MaskletError } from "./errors.js";
import type { ForeignStreams } from "./foreign-streams.js";
import type { KnownSession, KnownSessions } from "./known-sessions.js";
import { isStart, type Outstanding, type OutstandingRequests, sessionIdOf } from "./outstanding.js";

export interface Resumption {
  /** The connection is open again. */
  start(): void;
  /** A result of the session has arrived. */
  afterResult(session: KnownSession): void;
}

export interface ResumptionParts {
  outstanding: OutstandingRequests;
  sessions: KnownSessions;
  foreign: ForeignStreams;
  newId(): string;
  transmit(message: object): void;
  onEvent(event: EventMessage): void;
}

export function createResumption(parts: ResumptionParts): Resumption {
  const { outstanding, sessions, foreign, transmit } = parts;

  function attach(
    target: { token: string; afterSeq: number; isWatcher: boolean },
    rest: Pick<Outstanding, "resolve" | "reject">,
  ): void {
    const request = {
      type: "attach_session" as const,
      session_token: target.token,
      after_seq: target.afterSeq,
      watch: target.isWatcher,
      request_id: parts.newId(),
    };
    outstanding.add({ ...rest, request, isResuming: true });
    transmit(request);
  }

  function resumeSession(session: KnownSession): void {
    const { token, lastSeq: afterSeq, isWatcher } = session;
    session.resuming = "attaching";
    attach(
      { token, afterSeq, isWatcher },
      {
        resolve: ((answer: AnswerOf<"attach_session">) => {
          session.resuming = { replayTo: answer.last_seq, pending: new Set(answer.pending) };
          if (answer.lost > 0) loseResults(session, session.resuming.pending, answer.lost);
          session.lastSeq += answer.lost;
          if (!isWatcher) foreign.adopt(session, answer);
          afterResult(session);
        }) as (fields: never) => void,
        // A retryable error means that the connection ends again, and with it this attempt.
        reject: (error) => error.retryable || end(session, error),
      },
    );
  }

  /** The session has ended while the client was away. */
  function end({ id }: KnownSession, error: MaskletError): void {
    sessions.remove(id);
    for (const one of outstanding.ofSession(id)) {
      const { type, request_id } = one.request;
      if (type !== "close_session" && type !== "detach_session") outstanding.fail(one, error);
      else {
        outstanding.remove(request_id);
        one.resolve({ is_success: true } as never);
      }
    }
    const { code, message, retryable, savedId: saved_id } = error;
    const body = { code, message, retryable, ...(saved_id && { saved_id }) } as EventMessage extends {
      error: infer E;
    }
      ? E
      : never;
    parts.onEvent({ type: "event", event: "session_lost", session_id: id, error: body });
  }

  /** The dropped results may have answered requests. Only a request with one answer that is still pending has lost nothing. */
  function loseResults({ id }: KnownSession, pending: ReadonlySet<string>, count: number): void {
    const message = `the server dropped ${count} results of the session "${id}" before they were received`;
    const error = new MaskletError({ code: "results_lost", message, retryable: false });
    for (const one of outstanding.ofSession(id)) {
      if (one.stream || !pending.has(one.request.request_id)) outstanding.fail(one, error);
    }
  }

  /** At the end of the replay, sends what has not reached the server. */
  function afterResult(session: KnownSession): void {
    const { resuming } = session;
    if (typeof resuming !== "object" || session.lastSeq < resuming.replayTo) return;
    delete session.resuming;
    for (const one of outstanding.ofSession(session.id)) {
      if (resuming.pending.has(one.request.request_id)) one.stream?.repeatAck();
      else transmit(one.request);
    }
  }

  function resumeStart({ request }: Outstanding): void {
    if (!isStart(request) || request.session_token === undefined) {
      transmit(request);
      return;
    }
    attach(
      { token: request.session_token, afterSeq: 0, isWatcher: false },
      {
        // The answer to the start is replayed.
        resolve: () => {},
        reject(error) {
          if (!error.retryable && outstanding.has(request.request_id)) transmit(request);
        },
      },
    );
  }

  return {
    start() {
      for (const { isResuming, request } of outstanding.all()) {
        if (isResuming) outstanding.remove(request.request_id);
      }
      const waiting = outstanding.all();
      for (const session of sessions.all()) resumeSession(session);
      for (const one of waiting) {
        if (isStart(one.request)) resumeStart(one);
        else if (!sessions.get(sessionIdOf(one))) transmit(one.request);
      }
    },
    afterResult,
  };
}
