/** What the adapter remembers of the sessions that it started. A state lasts as long as its session. */
import type { HostedSession } from "../../hosted-session.js";
import type { Predictor } from "../../predictor.js";
import type { OwnerId } from "../../session-owner.js";
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

export function createSessionStates(sessions: Predictor["sessions"]) {
  const states = new WeakMap<HostedSession, State>();

  function find(owner: OwnerId, sessionId: string): State | undefined {
    const hosted = sessions.find(owner, sessionId);
    return hosted && states.get(hosted);
  }

  return {
    add(owner: OwnerId, sessionId: string, state: State): void {
      const hosted = sessions.find(owner, sessionId);
      if (hosted) states.set(hosted, state);
    },
    /** @throws ProtocolError session_not_found, also for sessions that other clients started */
    video(owner: OwnerId, sessionId: string): VideoState {
      const state = find(owner, sessionId);
      if (state?.kind !== "video") throw sessions.refusal(sessionId);
      return state;
    },
    /** The open pictures of an owner, oldest first. */
    pictures(owner: OwnerId): (PictureState & { sessionId: string; isBusy: boolean })[] {
      return sessions.of(owner).flatMap((hosted) => {
        const state = states.get(hosted);
        return state?.kind === "picture" ? { ...state, sessionId: hosted.id, isBusy: hosted.isBusy } : [];
      });
    },
  };
}

export type SessionStates = ReturnType<typeof createSessionStates>;
