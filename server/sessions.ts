/**
 * The sessions of all clients. A session belongs to the client that started it; for all others it does not exist. It ends
 * when it is closed, when its client disconnects, after a time without use, when the engine loses it, or with the server.
 */
import type { Clock } from "./clock.js";
import type { Engine, EngineSession } from "./engine/index.js";
import { shuttingDown } from "./failure.js";
import type { Logger } from "./log.js";
import type { MediaSource, OpeningOptions } from "./media/source.js";
import { mediaFields } from "./media-fields.js";
import { replayFrames } from "./replay-frames.js";
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
  openMedia(request: StartRequest, options: OpeningOptions): Promise<MediaSource>;
  clock: Clock;
  log: Logger;
  limits: SessionLimits;
}

export function createSessionRegistry(parts: SessionRegistryParts): SessionRegistry {
  const allSessions = new Set<Entry>();
  const owners = new Set<SessionOwner>();
  let stopping = false;

  async function open(request: StartRequest, entry: Entry, options: OpeningOptions): Promise<Session> {
    const engine = await parts.engine;
    const media = await parts.openMedia(request, options);
    try {
      options.signal?.throwIfAborted();
      const { width, height, numFrames } = media.facts;
      const video = { width, height, numFrames, ...(request.policy && { policy: request.policy }) };
      const opened: EngineSession = await engine.open(video, {
        replayFrames(indices) {
          const { inputSize } = opened.rules.pack;
          return replayFrames(media, { width: inputSize, height: inputSize }, indices);
        },
        onRecovered: () => entry.recovered(),
        onLost: (error) => entry.lose(error),
      });
      const facts = { session_id: entry.sessionId, ...mediaFields(media.facts) };
      return createSession({ facts, media, engine: opened });
    } catch (error) {
      await media.close();
      throw error;
    }
  }

  return {
    addOwner(onEvent) {
      const { clock, log, limits } = parts;
      const owner = createSessionOwner({ open, allSessions, onEvent, clock, log, limits });
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
      return allSessions.size;
    },
    async shutDown() {
      stopping = true;
      await Promise.all([...owners].map((owner) => owner.release(shuttingDown())));
    },
  };
}
