/**
 * The sessions of everybody. A session belongs to the client that started it: to all others it looks as if it were not
 * there. It ends when it is closed, when its client goes, after a time without use, with the inference process, or with
 * the server.
 */
import type { Clock } from "./clock.js";
import type { Engine } from "./engine/index.js";
import { shuttingDown } from "./failure.js";
import type { Logger } from "./log.js";
import type { MediaSource } from "./media/source.js";
import { createSession, type Session } from "./session.js";
import {
  createSessionOwner,
  type Entry,
  type SessionEvent,
  type SessionLimits,
  type SessionOwner,
  type StartRequest,
} from "./session-owner.js";

export interface SessionRegistry {
  addOwner(onEvent: (event: SessionEvent) => void): SessionOwner;
  readonly count: number;
  /** Running propagations fail with shutting_down, new sessions are refused. Resolves when all are gone. */
  shutDown(): Promise<void>;
}

export interface SessionRegistryParts {
  engine: Promise<Engine>;
  openMedia(request: StartRequest, signal: AbortSignal): Promise<MediaSource>;
  clock: Clock;
  log: Logger;
  limits: SessionLimits;
}

export function createSessionRegistry(parts: SessionRegistryParts): SessionRegistry {
  const everybodys = new Set<Entry>();
  const owners = new Set<SessionOwner>();
  let stopping = false;

  parts.engine.then(
    (engine) =>
      engine.onRestart((lostIds) => {
        const lost = new Set(lostIds);
        for (const entry of [...everybodys]) if (lost.has(entry.engineSessionId)) entry.lose();
      }),
    () => {
      // Whoever starts a session is told.
    },
  );

  async function open(request: StartRequest, entry: Entry, signal: AbortSignal): Promise<Session> {
    const engine = await parts.engine;
    const media = await parts.openMedia(request, signal);
    try {
      signal.throwIfAborted();
      const { kind, width, height, numFrames, fps, durationS } = media.facts;
      const rules = await engine.openSession(entry.engineSessionId, {
        width,
        height,
        numFrames,
        ...(request.policy && { policy: request.policy }),
      });
      const rate = { num_frames: numFrames, fps, duration_s: durationS };
      const facts = { session_id: entry.sessionId, kind, width, height, ...rate };
      return createSession({ facts, media, engine, engineSessionId: entry.engineSessionId, rules });
    } catch (error) {
      await media.close();
      throw error;
    }
  }

  return {
    addOwner(onEvent) {
      const { clock, log, limits } = parts;
      const owner = createSessionOwner({ open, everybodys, onEvent, clock, log, limits });
      owners.add(owner);
      if (stopping) void owner.release(shuttingDown());
      return {
        ...owner,
        release: (reason) => {
          owners.delete(owner);
          return owner.release(reason);
        },
      };
    },
    get count() {
      return everybodys.size;
    },
    async shutDown() {
      stopping = true;
      await Promise.all([...owners].map((owner) => owner.release(shuttingDown())));
    },
  };
}
