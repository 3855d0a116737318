/**
 * Requests and their answers: gives each request an id, and delivers what comes back under that id.
 *
 * A request stays outstanding until it is answered, also when the connection is lost meanwhile (resume.ts). A session that is
 * being started has a token chosen by the client, so that it is found again when the answer was lost.
 */

import { encodeEnvelope } from "../../protocol/envelope.js";
import type {
  AckMessage,
  AnsweredType,
  AnswerOf,
  EventMessage,
  FrameDroppedMessage,
  FrameMessage,
  PushFrameInput,
  RequestInput,
  RequestInputOf,
  ServerMessage,
} from "../../protocol/index.js";
import { decodeBinaryMessage } from "../../protocol/packed-message.js";
import { MaskletError } from "./errors.js";
import { createForeignStreams } from "./foreign-streams.js";
import { createFrameQueue, type FrameQueue } from "./frame-queue.js";
import { createKnownSessions, type KnownSession, newIdPrefix, newToken } from "./known-sessions.js";
import type { Link } from "./link.js";
import { createOutstanding, isStart, type NewRequest, type Outstanding, sessionIdOf } from "./outstanding.js";
import { createResumption } from "./resume.js";

/** Fields of `push_frame` without `type` and `request_id`. */
export type PushFields = Omit<PushFrameInput, "type" | "request_id">;

export interface Exchange {
  /** Resolves to the answer's fields. `onAnswer` is called with them at once, before the next message is delivered. */
  ask<T extends AnsweredType>(
    request: RequestInputOf<T>,
    onAnswer?: (fields: AnswerOf<T>) => void,
  ): Promise<AnswerOf<T>>;
  /** Sends at once. Frames wait in the queue, at most as many as the window has. */
  stream(request: RequestInputOf<"propagate_in_video">): FrameQueue;
  /** Pushes one frame of a live session. Rejects as `ask` does. */
  push(fields: PushFields, picture: Uint8Array): Promise<FrameMessage | FrameDroppedMessage>;
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
  /** The client no longer reaches a session. */
  onForget(sessionId: string): void;
}

export function createExchange(parts: ExchangeParts): Exchange {
  const { link, defaultWindow, onEvent, onOther, onForget } = parts;
  const outstanding = createOutstanding();
  const sessions = createKnownSessions(onForget);
  const prefix = newIdPrefix();
  let lost: MaskletError | undefined;
  let lastId = 0;

  const newId = () => `${prefix}-${++lastId}`;
  /** By request, of those that push one. */
  const pictures = new WeakMap<object, Uint8Array>();
  function transmit(message: object): void {
    const picture = pictures.get(message);
    link().send(picture ? encodeEnvelope(message, picture) : JSON.stringify(message));
  }
  const foreign = createForeignStreams({ isOwnRequest: outstanding.has, acknowledge });
  const resumption = createResumption({ outstanding, sessions, foreign, newId, transmit, onEvent });

  function enter(request: NewRequest, rest: Omit<Outstanding, "request">, picture?: Uint8Array): string {
    const request_id = newId();
    const one = { ...rest, request: { ...request, request_id } };
    if (picture) pictures.set(one.request, picture);
    outstanding.add(one);
    // Requests of a session that is being attached to again wait for the end of its replay.
    if (link().isOpen && !sessions.get(sessionIdOf(one))?.resuming) transmit(one.request);
    return request_id;
  }

  function acknowledge(request_id: string, num_frames: number): void {
    transmit({ type: "ack", request_id, num_frames } satisfies AckMessage);
  }

  function forget({ id }: KnownSession, error: MaskletError): void {
    sessions.remove(id);
    for (const one of outstanding.ofSession(id)) outstanding.fail(one, error);
  }

  /** Keeps what is needed to attach again. */
  function learn({ request }: Outstanding, answer: Record<string, unknown>): void {
    if (isStart(request) && typeof answer.session_token === "string") {
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
      if (!isWatcher) foreign.adopt(session, { last_seq, streams });
    } else if (request.type === "close_session" || request.type === "detach_session") {
      sessions.remove(request.session_id);
    }
  }

  /** Counts a result. Returns false for one that was received before. */
  function isNew(session_id: string | undefined, seq: number | undefined): boolean {
    const session = sessions.get(session_id);
    if (seq === undefined || !session) return true;
    if (seq <= session.lastSeq) return false;
    session.lastSeq = seq;
    return true;
  }

  function receive(message: ServerMessage): void {
    const { session_id, seq } = message as { session_id?: string; seq?: number };
    if (!isNew(session_id, seq)) return;
    if (message.type === "event") receiveEvent(message);
    else receiveAnswer(message, session_id);
    const session = sessions.get(session_id);
    if (session) resumption.afterResult(session);
  }

  function receiveEvent(event: EventMessage): void {
    if (event.event === "server_draining") link().waitBeforeReconnect(event.retry_after_ms);
    else endSession(event);
    onEvent(event);
  }

  function endSession(event: Exclude<EventMessage, { event: "server_draining" }>): void {
    const session = sessions.get(event.session_id);
    if (session && event.event === "session_detached") {
      const why =
        event.reason === "closed" ? "was closed by another client" : "is controlled by another client";
      const message = `the session "${session.id}" ${why}`;
      forget(session, new MaskletError({ code: "session_detached", message, retryable: false }));
    }
    if (ENDING_EVENTS.has(event.event)) sessions.remove(event.session_id);
  }

  function receiveAnswer(message: Exclude<ServerMessage, EventMessage>, session_id?: string): void {
    const requestId = message.request_id ?? "";
    const one = outstanding.get(requestId);
    if (!one) {
      const session = sessions.get(session_id);
      if (!session) return;
      foreign.receive(session, message);
      onOther(message);
      return;
    }
    switch (message.type) {
      case "frame":
        if (one.stream) one.stream.push(message);
        else settlePush(one, message);
        break;
      case "frame_dropped":
        settlePush(one, message);
        break;
      case "done":
        outstanding.remove(requestId);
        one.stream?.end(message);
        break;
      case "response": {
        outstanding.remove(requestId);
        const { type, request_id, seq, ...fields } = message;
        if (!one.isResuming) learn(one, message);
        // A result names its session; the answers that have no such field are given without it.
        if (seq !== undefined && !NAMES_SESSION.has(one.request.type)) delete fields.session_id;
        one.resolve(fields as never);
        break;
      }
      case "error":
        outstanding.fail(one, new MaskletError(message.error));
        break;
    }
  }

  function settlePush(one: Outstanding, message: FrameMessage | FrameDroppedMessage): void {
    outstanding.remove(one.request.request_id);
    one.resolve(message as never);
  }

  function lose(error: MaskletError): void {
    lost ??= error;
    for (const one of outstanding.all()) outstanding.fail(one, error);
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
        const withToken = isStart(request as RequestInput)
          ? { session_token: newToken(), ...request }
          : request;
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
    push: (fields, picture) =>
      new Promise((resolve, reject) => {
        if (lost) throw lost;
        enter(
          { ...fields, type: "push_frame" },
          { resolve: resolve as (fields: never) => void, reject },
          picture,
        );
      }),
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
    resume: resumption.start,
    loseSessions(error) {
      for (const session of sessions.all()) forget(session, error);
    },
    lose,
  };
}

/** Events after which the session exists no more. Requests that wait get their answers from the server. */
const ENDING_EVENTS: ReadonlySet<EventMessage["event"]> = new Set<EventMessage["event"]>([
  "session_expired",
  "session_lost",
  "session_saved",
]);

/** Requests whose answer has a `session_id` of its own. */
const NAMES_SESSION: ReadonlySet<NewRequest["type"]> = new Set<NewRequest["type"]>([
  "start_session",
  "load_session",
  "attach_session",
  "get_session",
]);
