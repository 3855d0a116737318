/** What the adapter remembers of the sessions that it started. A state lasts as long as its session. */
import type { HostedSession } from "../../hosted-session.js";
import type { Predictor } from "../../predictor.js";
import type { OwnerId } from "../../session-owner.js";
import { createOwnSessions } from "../own-sessions.js";
import type { Size } from "../pixels.js";

export interface VideoState {
  kind: "video";
  epsilonFactor: number;
  confidence: number;
  /** The clicks of the object, by frame. Empty after a phrase. */
  clicks: Map<number, readonly (readonly [number, number])[]>;
  /** Frames with a prompt. */
  prompted: Set<number>;
}

/** A single picture stays open for further clicks. */
export interface PictureState {
  kind: "picture";
  hash: string;
  size: Size;
}

type State = VideoState | PictureState;

/** Sessions of one owner. Windows that are closed without an end leave theirs behind. */
const MAX_OPEN_SESSIONS = 4;
/** Pictures among them, so that a run over a folder of pictures ends no video. */
const MAX_OPEN_PICTURES = 2;

export function createSessionStates(sessions: Predictor["sessions"]) {
  const own = createOwnSessions(sessions, MAX_OPEN_SESSIONS);
  const states = new WeakMap<HostedSession, State>();

  return {
    startVideo: own.start,
    startPicture: <T extends { session_id: string }>(owner: OwnerId, begin: () => Promise<T>) =>
      own.start(owner, begin, {
        maxOpen: MAX_OPEN_PICTURES,
        includes: (hosted) => states.get(hosted)?.kind === "picture",
      }),
    add: (hosted: HostedSession, state: State): void => void states.set(hosted, state),
    /** @throws ProtocolError session_not_found, also for sessions that other clients started */
    video(owner: OwnerId, sessionId: string): VideoState {
      const hosted = own.find(owner, sessionId);
      const state = hosted && states.get(hosted);
      if (state?.kind !== "video") throw sessions.refusal(sessionId);
      return state;
    },
    /** An open picture with these bytes. */
    picture(owner: OwnerId, hash: string): (PictureState & { sessionId: string }) | undefined {
      for (const hosted of own.of(owner)) {
        const state = states.get(hosted);
        if (state?.kind === "picture" && state.hash === hash && own.find(owner, hosted.id))
          return { ...state, sessionId: hosted.id };
      }
      return undefined;
    },
  };
}

export type SessionStates = ReturnType<typeof createSessionStates>;
