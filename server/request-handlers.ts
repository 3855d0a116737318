/** The handler of each request type. Requests are validated before. */
import {
  type AnswerOf,
  ProtocolError,
  type PushFrameMessage,
  type Request,
  type RequestOf,
  type SingleRequest,
  type StreamRequest,
} from "../protocol/index.js";
import type { AckWindow } from "./ack-window.js";
import { type HostedSession, type OnOpening, type StartRequest, startAnswer } from "./hosted-session.js";
import { type PushAnswer, pushFrame } from "./live/live-requests.js";
import type { PropagatedFrame, PropagationEnd } from "./propagations.js";
import type { SavedContent } from "./saved/saved-file.js";
import type { Session } from "./session.js";

/** What the server does for a caller apart from its sessions. */
export interface ServerReach {
  server(): Promise<AnswerOf<"get_server">>;
  /** Stores what a session saves. */
  save(sessionId: string, content: SavedContent): Promise<AnswerOf<"save_session">>;
}

/** The sessions that a caller reaches: those of its owner, or those that its connection started or attached to. */
export interface SessionReach extends ServerReach {
  /**
   * Absent for connections, which start sessions themselves.
   * @throws ProtocolError session_exists, session_limit, shutting_down.
   */
  start?(request: StartRequest, onOpening?: OnOpening): HostedSession;
  /** Counts as use of the session. Waits while it is being started. @throws ProtocolError session_not_found. */
  get(sessionId: string): Promise<Session>;
  /** Answers earlier requests first. An unknown session counts as closed. */
  close(sessionId: string): Promise<void>;
}

export type SingleType = SingleRequest["type"];

export type Answer = { [T in SingleType]: AnswerOf<T> }[SingleType];

/** What happens to a request before its answer. */
export interface AnswerOptions {
  /** Called while the video of a `start_session` is being opened; see `session_opening`. */
  onOpening?: OnOpening;
  /** Aborts when the client leaves: a session that is being started for it is abandoned, and `predict` ends. */
  signal?: AbortSignal;
}

type Handlers = {
  [T in SingleType]: (request: RequestOf<T>, options: AnswerOptions) => Promise<AnswerOf<T>>;
};

const success = { is_success: true } as const;

/** Answers the requests of one caller. */
export function createAnswerer(
  sessions: SessionReach,
): (request: SingleRequest, options?: AnswerOptions) => Promise<Answer> {
  async function start(request: StartRequest, { onOpening, signal }: AnswerOptions) {
    if (!sessions.start) throw onlyBySockets(request.type);
    signal?.throwIfAborted();
    const hosted = sessions.start(request, onOpening);
    signal?.addEventListener("abort", hosted.abandon, { once: true });
    try {
      return await startAnswer(hosted);
    } finally {
      signal?.removeEventListener("abort", hosted.abandon);
    }
  }

  const handlers: Handlers = {
    start_session: (request, options) => start(request, options),
    load_session: async (request, options) => (await start(request, options)) as AnswerOf<"load_session">,
    save_session: async ({ session_id }) =>
      sessions.save(session_id, await (await sessions.get(session_id)).save()),
    attach_session: async ({ type }) => {
      throw onlyBySockets(type);
    },
    detach_session: async ({ type }) => {
      throw onlyBySockets(type);
    },
    authenticate: async ({ type }) => {
      throw onlyBySockets(type);
    },
    get_server: () => sessions.server(),
    get_session: async ({ session_id }) => (await sessions.get(session_id)).describe(),
    list_suspects: async ({ session_id, limit }) => (await sessions.get(session_id)).listSuspects(limit),
    add_prompt: async (request) => {
      const session = await sessions.get(request.session_id);
      return session.addPrompt({ ...request, frame_index: session.indexOf(request.frame_index) });
    },
    predict: async (request, { signal }) => {
      const session = await sessions.get(request.session_id);
      return session.predict({ ...request, frame_index: session.indexOf(request.frame_index) }, signal);
    },
    lock_frames: async (request) => (await sessions.get(request.session_id)).edit(request),
    mark_absent: async (request) => (await sessions.get(request.session_id)).edit(request),
    merge_objects: async (request) => (await sessions.get(request.session_id)).edit(request),
    split_object: async (request) => (await sessions.get(request.session_id)).edit(request),
    swap_objects: async (request) => (await sessions.get(request.session_id)).edit(request),
    rename: async (request) => (await sessions.get(request.session_id)).edit(request),
    remove_concept: async (request) => (await sessions.get(request.session_id)).edit(request),
    remove_object: async (request) => (await sessions.get(request.session_id)).removeObject(request),
    undo: async ({ session_id }) => (await sessions.get(session_id)).stepThroughEdits("undo"),
    redo: async ({ session_id }) => (await sessions.get(session_id)).stepThroughEdits("redo"),
    cancel_propagation: async ({ session_id }) => {
      (await sessions.get(session_id)).cancel();
      return success;
    },
    reset_session: async ({ session_id }) => {
      await (await sessions.get(session_id)).reset();
      return success;
    },
    close_session: async ({ session_id }) => {
      await sessions.close(session_id);
      return success;
    },
  };
  // The compiler does not relate the type of a request to the parameter of its handler.
  return (request, options = {}) => {
    const handler = handlers[request.type] as (request: never, options: AnswerOptions) => Promise<Answer>;
    return handler(request as never, options);
  };
}

/** A connection handles these requests itself; other callers reach the sessions of their owner without them. */
function onlyBySockets(type: string): ProtocolError {
  return new ProtocolError("unknown_type", `type: ${type} is for WebSockets`, "type");
}

/** Requests that change nothing, which watchers may make. */
const READS: ReadonlySet<Request["type"]> = new Set([
  "get_session",
  "list_suspects",
  "predict",
  "save_session",
]);

/** True for a request that changes nothing; watchers may make it. */
export function isRead(request: Request): boolean {
  if (request.type === "propagate_in_video") return request.scope === "stored";
  return READS.has(request.type);
}

/** Starts when the first frame is requested. */
export async function* propagate(
  sessions: SessionReach,
  request: StreamRequest,
  window?: AckWindow,
): AsyncGenerator<PropagatedFrame, PropagationEnd, undefined> {
  const session = await sessions.get(request.session_id);
  return yield* session.propagate(request, window);
}

/** Tracks one frame that a client pushes. */
export async function push(
  sessions: SessionReach,
  message: PushFrameMessage,
  picture: Uint8Array,
): Promise<PushAnswer> {
  return pushFrame(await sessions.get(message.session_id), message, picture);
}
