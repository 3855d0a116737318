/** What the adapter remembers of the sessions that it started. A state lasts as long as its session. */
import { type CocoRle, encodeMask } from "../../../protocol/index.js";
import type { HostedSession } from "../../hosted-session.js";
import type { Predictor } from "../../predictor.js";
import { createSerial, type Serial } from "../../serial.js";
import type { OwnerId } from "../../session-owner.js";

/** Clicks of one object on one frame. */
export interface Clicks {
  /** 0 to 1 of the frame. */
  points: [number, number][];
  /** 1 on the object, 0 off it. */
  labels: (0 | 1)[];
}

export interface DemoState {
  readonly sessionId: string;
  /** A mask without pixels, of the size of the video. */
  readonly emptyMask: CocoRle;
  /** The objects of the page, each with its clicks by frame. An object stays when its last click is taken back. */
  readonly objects: Map<number, Map<number, Clicks>>;
  /** Edits of a session that consist of several requests do not mix with others. */
  readonly edits: Serial;
  /** Grows with each use of any session. */
  usedAt: number;
  /** The propagation whose answer is being written. */
  propagation?: AsyncGenerator<Uint8Array, void, undefined>;
}

/** Sessions of one owner. A page that is loaded again leaves its session behind. */
const MAX_OPEN_SESSIONS = 4;

export function createSessionStates(sessions: Predictor["sessions"]) {
  const states = new WeakMap<HostedSession, DemoState>();
  let uses = 0;

  return {
    /** The idle session that was used least recently, when an owner has no place for another one. */
    leastUsed(owner: OwnerId): string | undefined {
      const open = sessions.of(owner).flatMap((hosted) => {
        const state = states.get(hosted);
        return state ? [{ ...state, isBusy: hosted.isBusy }] : [];
      });
      if (open.length < MAX_OPEN_SESSIONS) return undefined;
      const idle = open.filter(({ isBusy }) => !isBusy);
      return idle.sort((a, b) => a.usedAt - b.usedAt)[0]?.sessionId;
    },
    add(owner: OwnerId, sessionId: string, size: { width: number; height: number }): void {
      const hosted = sessions.find(owner, sessionId);
      if (!hosted) return;
      const { width, height } = size;
      const emptyMask = encodeMask(new Uint8Array(width * height), width, height);
      const edits = createSerial();
      states.set(hosted, { sessionId, emptyMask, objects: new Map(), edits, usedAt: ++uses });
    },
    /** @throws ProtocolError session_not_found, also for sessions that other clients started */
    get(owner: OwnerId, sessionId: string): DemoState {
      const hosted = sessions.find(owner, sessionId);
      const state = hosted && states.get(hosted);
      if (!state) throw sessions.refusal(sessionId);
      state.usedAt = ++uses;
      return state;
    },
  };
}

export type SessionStates = ReturnType<typeof createSessionStates>;
