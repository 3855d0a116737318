/**
 * Requests and their answers: gives each request an id, and delivers what comes back under that id.
 *
 * A request stays outstanding until it is answered, also when the connection is lost meanwhile. After the connection is open
 * again, the client attaches to each of its sessions, receives the results that it missed, and then sends the requests that
 * have not reached the server: those that are neither answered nor pending there. A session that is being started has a token
 * chosen by the client, so that it is found again when the answer was lost.
 */
import type {
  AckMessage,
  AnsweredType,
  AnswerOf,
  EventMessage,
  RequestInput,
  RequestInputOf,
  ServerMessage,
} from "../../protocol/index.js";
import { decodeBinaryMessage } from "../../protocol/packed-message.js";
import { MaskletError } from "./errors.js";
import { createFrameQueue, type FrameQueue } from "./frame-queue.js";
import { createKnownSessions, type KnownSession, newIdPrefix, newToken } from "./known-sessions.js";
import type { Link } from "./link.js";

export interface Exchange {
  /** Resolves to the answer's fields. `onAnswer` is called with them at once, before the next message is delivered. */
  ask<T extends AnsweredType>(
    request: RequestInputOf<T>,
    onAnswer?: (fields: AnswerOf<T>) => void,
  ): Promise<AnswerOf<T>>;
  /** Sends at once. Frames wait in the queue, at most as many as the window has. */
  stream(request: RequestInputOf<"propagate_in_video">): FrameQueue;
  /** Ids of the open sessions that this client started. */
  ownSessions(): string[];
  onText(text: string): void;
  onBytes(bytes: Uint8Array): void;
  /** The connection is open again. */
  resume(): void;
  /** The server has stopped, and its sessions with it: fails what belongs to one. */
  loseSessions(error: MaskletError): void;
  /** Fails everything that waits, and every request from now on. */
  lose(error: MaskletError): void;
}

export interface ExchangeParts {
  link(): Link;
  /** The `window` of streams whose request has none. */
  defaultWindow: number;
  onEvent(event: EventMessage): void;
  /** Receives results of a session that answer requests of other clients. */
  onOther(message: ServerMessage): void;
}

interface Outstanding {
  request: RequestInput & { request_id: string };
  resolve(fields: never): void;
  reject(error: MaskletError): void;
  stream?: FrameQueue;
  /** Sent by the client itself after its connection was lost. */
  isResuming?: boolean;
}

export function createExchange({ link, defaultWindow, onEvent, onOther }: ExchangeParts): Exchange {
  const outstanding = new Map<string, Outstanding>();
  const sessions = createKnownSessions();
  const prefix = newIdPrefix();
  let lost: MaskletError | undefined;
  let lastId = 0;

  const newId = () => `${prefix}-${++lastId}`;
  const transmit = (message: object) => link().send(JSON.stringify(message));
  const sessionOf = ({ request }: Outstanding) =>
    "session_id" in request ? sessions.get(request.session_id) : undefined;

  /** Requests of a session that is being attached to again wait for the end of its replay. */
  function dispatch(one: Outstanding): void {
    if (!sessionOf(one)?.resuming || one.request.type === "start_session") transmit(one.request);
  }

  function enter(request: RequestInput, rest: Omit<Outstanding, "request">): string {
    const request_id = newId();
    const one = { ...rest, request: { ...request, request_id } };
    outstanding.set(request_id, one);
    if (link().isOpen) dispatch(one);
    return request_id;
  }

  function acknowledge(request_id: string, num_frames: number): void {
    transmit({ type: "ack", request_id, num_frames } satisfies AckMessage);
  }

  function fail(one: Outstanding, error: MaskletError): void {
    outstanding.delete(one.request.request_id);
    one.reject(error);
    one.stream?.fail(error);
  }

  function failAll(error: MaskletError, which: (one: Outstanding) => boolean = () => true): void {
    for (const one of [...outstanding.values()]) if (which(one)) fail(one, error);
  }

  function forget(session: KnownSession, error: MaskletError): void {
    sessions.remove(session.id);
    failAll(error, ({ request }) => "session_id" in request && request.session_id === session.id);
  }

  /** Keeps what is needed to attach again. */
  function learn({ request }: Outstanding, answer: Record<string, unknown>): void {
    if (request.type === "start_session" && typeof answer.session_token === "string") {
      const { session_id: id, session_token: token } = answer as unknown as AnswerOf<"start_session">;
      const known = sessions.get(id);
      const lastSeq = Math.max(known?.lastSeq ?? 0, typeof answer.seq === "number" ? answer.seq : 0);
      const resuming = known?.resuming;
      const session = sessions.add({ id, token, isWatcher: false, isOwn: true, lastSeq });
      if (resuming) session.resuming = resuming;
    } else if (request.type === "attach_session") {
      const { session_id: id, last_seq, streams } = answer as unknown as AnswerOf<"attach_session">;
      const { session_token: token, watch: isWatcher = false, after_seq = last_seq } = request;
      const session = sessions.add({ id, token, isWatcher, isOwn: false, lastSeq: after_seq });
      if (!isWatcher) adoptStreams(session, last_seq, streams);
    } else if (request.type === "close_session" || request.type === "detach_session") {
      sessions.remove(request.session_id);
    }
  }

  /**
   * Acknowledges streams that other clients started, such as an earlier process of the same user. Their frames go to
   * `onOther`, where no loop can fall behind.
   */
  function adoptStreams(
    session: KnownSession,
    lastSeq: number,
    streams: AnswerOf<"attach_session">["streams"],
  ): void {
    session.foreignFrom = lastSeq;
    session.foreignStreams.clear();
    for (const { request_id, num_frames } of streams) {
      if (outstanding.has(request_id)) continue;
      session.foreignStreams.set(request_id, num_frames);
      acknowledge(request_id, num_frames);
    }
  }

  function acknowledgeForeign(session: KnownSession | undefined, message: ServerMessage): void {
    if (!session || message.type !== "frame" || message.request_id === null) return;
    const count = session.foreignStreams.get(message.request_id);
    if (count === undefined || (message.seq ?? 0) <= session.foreignFrom) return;
    session.foreignStreams.set(message.request_id, count + 1);
    acknowledge(message.request_id, count + 1);
  }

  /** Attaches to a session again, or to one whose start was not answered. */
  function attachAgain(
    token: string,
    afterSeq: number,
    isWatcher: boolean,
    rest: Omit<Outstanding, "request">,
  ) {
    const request_id = newId();
    const request = {
      type: "attach_session" as const,
      session_token: token,
      after_seq: afterSeq,
      watch: isWatcher,
      request_id,
    };
    outstanding.set(request_id, { ...rest, request, isResuming: true });
    transmit(request);
  }

  function resumeSession(session: KnownSession): void {
    session.resuming = "attaching";
    attachAgain(session.token, session.lastSeq, session.isWatcher, {
      resolve: ((answer: AnswerOf<"attach_session">) => {
        session.resuming = { replayTo: answer.last_seq, pending: new Set(answer.pending) };
        if (answer.lost > 0) loseResults(session, answer.lost);
        session.lastSeq += answer.lost;
        if (!session.isWatcher) adoptStreams(session, answer.last_seq, answer.streams);
        endReplay(session);
      }) as (fields: never) => void,
      reject(error) {
        // A retryable error means that the connection ends again, and with it this attempt.
        if (error.retryable) return;
        const { code, message, retryable } = error;
        const event = { type: "event", event: "session_lost", session_id: session.id } as const;
        forget(session, error);
        onEvent({ ...event, error: { code, message, retryable } as never });
      },
    });
  }

  /** Nothing can be said about what may have been answered by the results that were dropped. */
  function loseResults(session: KnownSession, count: number): void {
    const message = `the server dropped ${count} results of the session "${session.id}" before they were received`;
    const error = new MaskletError({ code: "results_lost", message, retryable: false });
    failAll(error, (one) => sessionOf(one) === session && !isSafeToWait(one, session));
  }

  /** A request with one answer that is still pending loses nothing. */
  function isSafeToWait({ request, stream }: Outstanding, { resuming }: KnownSession): boolean {
    return !stream && typeof resuming === "object" && resuming.pending.has(request.request_id);
  }

  /** After the replay, sends what has not reached the server. */
  function endReplay(session: KnownSession): void {
    const { resuming } = session;
    if (typeof resuming !== "object" || session.lastSeq < resuming.replayTo) return;
    delete session.resuming;
    for (const one of [...outstanding.values()]) {
      if (sessionOf(one) !== session || one.request.type === "start_session") continue;
      if (resuming.pending.has(one.request.request_id)) one.stream?.repeatAck();
      else transmit(one.request);
    }
  }

  function resumeStart(one: Outstanding): void {
    const { request } = one;
    if (request.type !== "start_session" || request.session_token === undefined) {
      transmit(request);
      return;
    }
    attachAgain(request.session_token, 0, false, {
      // The answer to the start is replayed, or follows.
      resolve: () => {},
      reject(error) {
        if (!error.retryable && outstanding.has(one.request.request_id)) transmit(request);
      },
    });
  }

  /** Counts a result. Returns false for one that was received before. */
  function isNew({ session_id, seq }: { session_id?: string; seq?: number }): boolean {
    const session = sessions.get(session_id);
    if (seq === undefined || !session) return true;
    if (seq <= session.lastSeq) return false;
    session.lastSeq = seq;
    return true;
  }

  function receive(message: ServerMessage): void {
    if (!isNew(message as { session_id?: string; seq?: number })) return;
    if (message.type === "event") receiveEvent(message);
    else receiveAnswer(message);
    const session = sessions.get((message as { session_id?: string }).session_id);
    if (session?.resuming) endReplay(session);
  }

  function receiveEvent(event: EventMessage): void {
    const session = sessions.get(event.session_id);
    if (session && event.event === "session_detached") {
      const why =
        event.reason === "closed" ? "was closed by another client" : "is controlled by another client";
      const message = `the session "${session.id}" ${why}`;
      forget(session, new MaskletError({ code: "session_detached", message, retryable: false }));
    }
    // Requests that wait get their answers from the server.
    if (event.event === "session_expired" || event.event === "session_lost")
      sessions.remove(event.session_id);
    onEvent(event);
  }

  function receiveAnswer(message: Exclude<ServerMessage, EventMessage>): void {
    const requestId = message.request_id ?? "";
    const one = outstanding.get(requestId);
    if (!one) {
      const session = sessions.get((message as { session_id?: string }).session_id);
      acknowledgeForeign(session, message);
      if (session) onOther(message);
      return;
    }
    switch (message.type) {
      case "frame":
        one.stream?.push(message);
        break;
      case "done":
        outstanding.delete(requestId);
        one.stream?.end(message);
        break;
      case "response": {
        outstanding.delete(requestId);
        const { type, request_id, seq, ...fields } = message;
        if (!one.isResuming) learn(one, message);
        // A result names its session; the answers that have no such field are given without it.
        if (seq !== undefined && !NAMES_SESSION.has(one.request.type)) delete fields.session_id;
        one.resolve(fields as never);
        break;
      }
      case "error":
        fail(one, new MaskletError(message.error));
        break;
    }
  }

  function lose(error: MaskletError): void {
    lost ??= error;
    failAll(error);
  }

  /** The peer is not a masklet server of this version: no answer can be expected. */
  function giveUp(message: string, options?: ErrorOptions): void {
    lose(new MaskletError({ code: "connection_lost", message, retryable: false }, options));
    link().close();
  }

  return {
    ask: (request, onAnswer) =>
      new Promise((resolve, reject) => {
        if (lost) throw lost;
        const withToken =
          request.type === "start_session" ? { session_token: newToken(), ...request } : request;
        const settle = (fields: never) => {
          onAnswer?.(fields);
          resolve(fields);
        };
        enter(withToken as RequestInput, { resolve: settle, reject });
      }),
    stream(request) {
      const window = request.window ?? defaultWindow;
      if (!Number.isInteger(window) || window < 1) {
        throw new RangeError(`window: expected an integer from 1, got ${window}`);
      }
      if (lost) throw lost;
      let requestId = "";
      const queue = createFrameQueue({
        window,
        acknowledge: (numFrames) => acknowledge(requestId, numFrames),
      });
      requestId = enter({ ...request, window }, { resolve() {}, reject() {}, stream: queue });
      return queue;
    },
    ownSessions: () => sessions.all().flatMap(({ id, isOwn }) => (isOwn ? [id] : [])),
    onText(text) {
      let message: ServerMessage;
      try {
        message = JSON.parse(text);
      } catch (cause) {
        giveUp("the server sent text that is not JSON", { cause });
        return;
      }
      receive(message);
    },
    onBytes(bytes) {
      let message: ServerMessage;
      try {
        message = decodeBinaryMessage(bytes) as ServerMessage;
      } catch (cause) {
        giveUp(`the server sent a binary message without masks: ${(cause as Error).message}`, { cause });
        return;
      }
      receive(message);
    },
    resume() {
      for (const [id, one] of [...outstanding]) if (one.isResuming) outstanding.delete(id);
      const waiting = [...outstanding.values()];
      for (const session of sessions.all()) resumeSession(session);
      for (const one of waiting) {
        if (one.request.type === "start_session") resumeStart(one);
        else if (!sessionOf(one)) transmit(one.request);
      }
    },
    loseSessions(error) {
      for (const session of sessions.all()) forget(session, error);
    },
    lose,
  };
}

/** Requests whose answer has a `session_id` of its own. */
const NAMES_SESSION: ReadonlySet<RequestInput["type"]> = new Set([
  "start_session",
  "attach_session",
  "get_session",
]);
