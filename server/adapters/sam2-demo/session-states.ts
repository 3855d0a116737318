/** What the adapter remembers of the sessions that it started. A state lasts as long as its session. */
import { type CocoRle, encodeMask } from "../../../protocol/index.js";
import type { HostedSession } from "../../hosted-session.js";
import type { Predictor } from "../../predictor.js";
import { createSerial, type Serial } from "../../serial.js";
import type { OwnerId } from "../../session-owner.js";
import { createOwnSessions } from "../own-sessions.js";

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
  /** The propagation whose answer is being written. */
  propagation?: AsyncGenerator<Uint8Array, void, undefined>;
}

/** Sessions of one owner. A page that is loaded again leaves its session behind. */
const MAX_OPEN_SESSIONS = 4;

export function createSessionStates(sessions: Predictor["sessions"]) {
  const own = createOwnSessions(sessions, MAX_OPEN_SESSIONS);
  const states = new WeakMap<HostedSession, DemoState>();

  return {
    start: own.start,
    add(hosted: HostedSession, { width, height }: { width: number; height: number }): void {
      const emptyMask = encodeMask(new Uint8Array(width * height), width, height);
      states.set(hosted, { sessionId: hosted.id, emptyMask, objects: new Map(), edits: createSerial() });
    },
    /** @throws ProtocolError session_not_found, also for sessions that other clients started */
    get(owner: OwnerId, sessionId: string): DemoState {
      const hosted = own.find(owner, sessionId);
      const state = hosted && states.get(hosted);
      if (!state) throw sessions.refusal(sessionId);
      return state;
    },
  };
}

export type SessionStates = ReturnType<typeof createSessionStates>;
