/** Opens the media of a `start_session` and a session of the engine for it. */
import type { Clock } from "./clock.js";
import type { Engine, EngineError, EngineSession } from "./engine/index.js";
import type { SessionNews, StartRequest } from "./hosted-session.js";
import { type LiveSettings, liveFacts, openLive } from "./live/open-live.js";
import type { MediaSource, OpeningOptions } from "./media/source.js";
import { mediaFields } from "./media-fields.js";
import { replayFrames } from "./replay-frames.js";
import { createSession, type Session } from "./session.js";
import type { OwnerId } from "./session-owner.js";

export interface OwnedOpeningOptions extends OpeningOptions {
  /** Whose uploads a session may open. */
  owner: OwnerId;
}

export type OpenMedia = (request: StartRequest, options: OwnedOpeningOptions) => Promise<MediaSource>;

export interface SessionOpenerParts {
  engine: Promise<Engine>;
  openMedia: OpenMedia;
  live: LiveSettings;
  clock: Clock;
  maxResultBytes: number;
}

export function createSessionOpener({ engine, openMedia, live, clock, maxResultBytes }: SessionOpenerParts) {
  return async (
    session_id: string,
    request: StartRequest,
    news: SessionNews,
    options: OwnedOpeningOptions,
  ): Promise<Session> => {
    const running = await engine;
    const hooks = { onRecovered: () => news.recovered(), onLost: (error: EngineError) => news.lost(error) };
    if (request.live || request.camera_url !== undefined) {
      const parts = await openLive({ request, engine: running, hooks, settings: live, nowMs: clock.nowMs });
      return createSession({
        facts: liveFacts(session_id, parts.media),
        maxResultBytes,
        ...parts,
        maskFormat: request,
      });
    }
    const media = await openMedia(request, options);
    try {
      options.signal?.throwIfAborted();
      const { width, height, numFrames } = media.facts;
      const video = { width, height, numFrames, ...(request.policy && { policy: request.policy }) };
      const opened: EngineSession = await running.open(video, {
        ...hooks,
        replayFrames(indices) {
          const { inputSize } = opened.rules.pack;
          return replayFrames(media, { width: inputSize, height: inputSize }, indices);
        },
      });
      const facts = { session_id, ...mediaFields(media.facts) };
      return createSession({ facts, media, engine: opened, maxResultBytes, maskFormat: request });
    } catch (error) {
      await media.close();
      throw error;
    }
  };
}
