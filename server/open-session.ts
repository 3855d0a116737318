/** Opens the media of a `start_session` and a session of the engine for it. */
import type { Engine, EngineSession } from "./engine/index.js";
import type { SessionNews, StartRequest } from "./hosted-session.js";
import type { MediaSource, OpeningOptions } from "./media/source.js";
import { mediaFields } from "./media-fields.js";
import { replayFrames } from "./replay-frames.js";
import { createSession, type Session } from "./session.js";

export type OpenMedia = (request: StartRequest, options: OpeningOptions) => Promise<MediaSource>;

export function createSessionOpener(engine: Promise<Engine>, openMedia: OpenMedia) {
  return async (
    session_id: string,
    request: StartRequest,
    news: SessionNews,
    options: OpeningOptions,
  ): Promise<Session> => {
    const { open } = await engine;
    const media = await openMedia(request, options);
    try {
      options.signal?.throwIfAborted();
      const { width, height, numFrames } = media.facts;
      const video = { width, height, numFrames, ...(request.policy && { policy: request.policy }) };
      const opened: EngineSession = await open(video, {
        replayFrames(indices) {
          const { inputSize } = opened.rules.pack;
          return replayFrames(media, { width: inputSize, height: inputSize }, indices);
        },
        onRecovered: () => news.recovered(),
        onLost: (error) => news.lost(error),
      });
      const facts = { session_id, ...mediaFields(media.facts) };
      return createSession({ facts, media, engine: opened });
    } catch (error) {
      await media.close();
      throw error;
    }
  };
}
