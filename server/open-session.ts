/** Opens a session: its media, its session of the engine, and for a saved session its earlier state. */
import type { Clock } from "./clock.js";
import type { Engine, EngineError, EngineOwner, EngineSession, EngineVideo } from "./engine/index.js";
import type { SessionNews, StartRequest } from "./hosted-session.js";
import { type LiveSettings, liveFacts, openLive } from "./live/open-live.js";
import type { MediaSource, OpeningOptions } from "./media/source.js";
import { mediaFields } from "./media-fields.js";
import type { Metrics } from "./metrics.js";
import type { Pictures } from "./pictures/pictures.js";
import type { PredictionPlaces } from "./prediction-places.js";
import { replayFrames } from "./replay-frames.js";
import { createSessionResults, type SessionResults } from "./results/session-results.js";
import {
  checkVideo,
  type LoadedFacts,
  objectIdsOf,
  readState,
  restartFromMasks,
  restoreResults,
} from "./saved/load-session.js";
import type { SavedStore } from "./saved/store.js";
import { createSession, type Session } from "./session.js";
import type { OwnerId } from "./session-owner.js";
import { withinShares } from "./session-shares.js";
import type { Shares } from "./shares/shares.js";
import { measureMedia, measureSessions } from "./stages.js";

export type OpenMedia = (
  request: { resource_path?: string; upload_id?: string },
  options: OpeningOptions & { owner: OwnerId },
) => Promise<MediaSource>;

export interface SessionOpenerParts {
  engine: Promise<Engine>;
  openMedia: OpenMedia;
  /** The name of the media, for exports. */
  nameOf(request: StartRequest, owner: OwnerId): Promise<string | undefined>;
  pictures: Pictures;
  saved: SavedStore;
  live: LiveSettings;
  clock: Clock;
  maxResultBytes: number;
  metrics: Metrics;
  /** The share of the inference process that an owner has, relative to the others. */
  weightOf(owner: OwnerId): number;
  /** The places of an owner for `predict`. */
  predictionPlacesOf(owner: OwnerId): PredictionPlaces;
  shares: Pick<Shares, "take" | "room">;
}

/** What to open, for whom, and under which id. */
export interface Opening {
  sessionId: string;
  owner: OwnerId;
  request: StartRequest;
}

type StartOf<T extends StartRequest["type"]> = Extract<StartRequest, { type: T }>;

export function createSessionOpener(parts: SessionOpenerParts) {
  const { pictures, saved, live, clock, maxResultBytes, metrics } = parts;
  const openMedia: OpenMedia = async (...request) => measureMedia(await parts.openMedia(...request), metrics);

  const partsOf = (owner: OwnerId) => ({ metrics, predictionPlaces: parts.predictionPlacesOf(owner) });

  async function named(request: StartRequest, owner: OwnerId): Promise<{ fileName?: string }> {
    const fileName = await parts.nameOf(request, owner);
    return fileName === undefined ? {} : { fileName };
  }

  function newResults(facts: { readonly num_frames: number }, engine: EngineSession): SessionResults {
    return createSessionResults({
      numFrames: () => facts.num_frames,
      maxBytes: maxResultBytes,
      rollback: (to) => engine.rollback({ to }),
    });
  }

  function openEngine(
    engine: Engine,
    media: MediaSource,
    policy: EngineVideo["policy"],
    news: SessionNews,
    snapshot?: Uint8Array,
  ): Promise<EngineSession> {
    const { width, height, numFrames } = media.facts;
    const opened: Promise<EngineSession> = engine.open(
      { width, height, numFrames, ...(policy && { policy }) },
      {
        ...hooksOf(news),
        async *replayFrames(indices) {
          const { inputSize } = (await opened).rules.pack;
          yield* replayFrames(media, { width: inputSize, height: inputSize }, indices);
        },
      },
      snapshot,
    );
    return opened;
  }

  async function startLive(
    engine: Engine,
    { sessionId, owner }: Opening,
    request: StartOf<"start_session">,
    news: SessionNews,
  ) {
    const { nowMs } = clock;
    const decoding = { pictures: pictures.of(owner) };
    const opened = await openLive({
      ...{ request, engine, hooks: hooksOf(news), settings: live, nowMs },
      ...decoding,
    });
    const facts = liveFacts(sessionId, opened.media);
    return createSession({
      ...partsOf(owner),
      facts,
      results: newResults(facts, opened.engine),
      ...decoding,
      ...opened,
      maskFormat: request,
    });
  }

  async function start(
    engine: Engine,
    media: MediaSource,
    { sessionId, owner }: Opening,
    request: StartOf<"start_session">,
    news: SessionNews,
  ): Promise<Session> {
    const { policy } = request;
    const facts = { session_id: sessionId, ...mediaFields(media.facts) };
    const opened = await openEngine(engine, media, policy, news);
    return createSession({
      ...partsOf(owner),
      ...(await named(request, owner)),
      facts,
      media,
      pictures: pictures.of(owner),
      engine: opened,
      results: newResults(facts, opened),
      maskFormat: request,
      ...(policy && { policy }),
    });
  }

  async function load(
    engine: Engine,
    media: MediaSource,
    { sessionId, owner }: Opening,
    request: StartOf<"load_session">,
    news: SessionNews,
  ): Promise<Session> {
    const file = await saved.open(owner, request.saved_id);
    let opened: EngineSession | undefined;
    try {
      checkVideo(file.manifest, media.facts);
      const state = await readState(file);
      const facts = { session_id: sessionId, ...mediaFields(media.facts) };
      const isSamePack = file.manifest.pack.hash === engine.pack.hash;
      const policy = state.policy ?? undefined;
      const tracker = isSamePack ? await file.read("tracker.bin") : undefined;
      opened = await openEngine(engine, media, policy, news, tracker);
      const results = newResults(facts, opened);
      await restoreResults(file, state, results);
      if (!isSamePack) await restartFromMasks(opened, media, results, state);
      const { objectIds } = await opened.describe();
      const loaded: LoadedFacts = {
        restored: isSamePack ? "exactly" : "from_masks",
        obj_ids: objectIds.length > 0 ? objectIds : objectIdsOf(results),
        stored_frames: results.store.size,
      };
      return createSession({
        ...partsOf(owner),
        ...(await named(request, owner)),
        facts,
        media,
        engine: opened,
        results,
        loaded,
        maskFormat: request,
        ...(policy && { policy }),
      });
    } catch (error) {
      await opened?.close();
      throw error;
    } finally {
      file.close();
    }
  }

  return async (opening: Opening, news: SessionNews, options: OpeningOptions): Promise<Session> => {
    const { owner, request } = opening;
    const measured = measureSessions(await parts.engine, metrics);
    const engine = ownedBy(withinShares(measured, parts.shares, owner), {
      id: owner,
      weight: parts.weightOf(owner),
    });
    if (request.type === "start_session" && (request.live || request.camera_url !== undefined))
      return startLive(engine, opening, request, news);
    const media = await openMedia(request, { ...options, owner });
    try {
      options.signal?.throwIfAborted();
      return request.type === "start_session"
        ? await start(engine, media, opening, request, news)
        : await load(engine, media, opening, request, news);
    } catch (error) {
      await media.close();
      throw error;
    }
  };
}

/** The engine, with an owner for the sessions that it opens. */
function ownedBy(engine: Engine, owner: EngineOwner): Engine {
  return {
    ...engine,
    get pack() {
      return engine.pack;
    },
    open: (video, ...rest) => engine.open({ ...video, owner }, ...rest),
  };
}

function hooksOf(news: SessionNews) {
  return {
    isInUse: () => news.isInUse(),
    onRecovered: () => news.recovered(),
    onLost: (error: EngineError) => news.lost(error),
  };
}
