/**
 * The predictor: everything the server can do, without a server. Requests have the names and fields of SAM 3's
 * `handle_request` and `handle_stream_request`.
 *
 * ```ts
 * const predictor = createPredictor();
 * const { session_id } = await predictor.handleRequest({ type: "start_session", resource_path: "dog.mp4" });
 * await predictor.handleRequest({ type: "add_prompt", session_id, frame_index: 0, text: "dog" });
 * for await (const frame of predictor.handleStreamRequest({ type: "propagate_in_video", session_id })) {
 *   console.log(frame.frame_index, frame.outputs.out_obj_ids);
 * }
 * await predictor.close();
 * ```
 */
import {
  type AnswerOf,
  ProtocolError,
  type PushFrameMessage,
  parseRequest,
  type RequestInputOf,
  type SingleRequest,
  type StreamRequest,
} from "../protocol/index.js";
import type { AckWindow } from "./ack-window.js";
import { type Clock, systemClock } from "./clock.js";
import { readConfig, type ServerOptions } from "./config.js";
import {
  createEngine,
  type Engine,
  type EngineState,
  type EngineStats,
  type PackSummary,
} from "./engine/index.js";
import { shuttingDown } from "./failure.js";
import type { OpeningEvent, SessionEvent } from "./hosted-session.js";
import type { PushAnswer } from "./live/live-requests.js";
import type { LiveSettings } from "./live/open-live.js";
import { createLog, type Logger } from "./log.js";
import { listMedia, type MediaListing } from "./media/listing.js";
import { prepareTools } from "./media/tools.js";
import { mediaName } from "./media-name.js";
import { createMetrics, type Metrics } from "./metrics.js";
import { createMediaOpener } from "./open-media.js";
import { createSessionOpener } from "./open-session.js";
import { createPictures } from "./pictures/pictures.js";
import { predictionPlaces } from "./prediction-places.js";
import type { PropagatedFrame, PropagationEnd } from "./propagations.js";
import {
  type Answer,
  type AnswerOptions,
  createAnswerer,
  propagate,
  push,
  type SessionReach,
  type SingleType,
} from "./request-handlers.js";
import { saveOpenSessions } from "./saved/save-open-sessions.js";
import { type SavedContent, writeSavedFile } from "./saved/saved-file.js";
import { createSavedStore, type SavedLimits, type SavedStore } from "./saved/store.js";
import { serverFacts, version } from "./server-facts.js";
import { LIBRARY_OWNER, type OwnerId } from "./session-owner.js";
import { createSessionRegistry, type SessionRegistry } from "./sessions.js";
import { createShares, type ShareLimits, type Shares } from "./shares/shares.js";
import type { UploadLimits } from "./uploads/limits.js";
import { createUploadStore, type UploadStore } from "./uploads/store.js";
import { createMediaViewer, type ViewMedia } from "./view-media.js";

/**
 * Requests on behalf of one owner, which reach all sessions of that owner by their ids. Sessions of other owners do not exist
 * for it. The requests are already validated.
 */
export interface Client {
  answer(request: SingleRequest, options?: AnswerOptions): Promise<Answer>;
  /** With a `window`, frames wait for its acknowledgements. */
  stream(
    request: StreamRequest,
    window?: AckWindow,
  ): AsyncGenerator<PropagatedFrame, PropagationEnd, undefined>;
  /** Tracks one frame of a live session. */
  push(message: PushFrameMessage, picture: Uint8Array): Promise<PushAnswer>;
  /** Stops the delivery of events. The sessions continue. */
  release(): void;
}

export interface ClientOptions {
  owner: OwnerId;
  /** Receives the events of all sessions of the owner. */
  onEvent?: (event: SessionEvent) => void;
}

/** The settings of the server that apply to a predictor. */
export type PredictorOptions = Pick<
  ServerOptions,
  | "packDir"
  | "providers"
  | "threads"
  | "engineStallMs"
  | "engineRunTimeoutMs"
  | "mediaRoots"
  | "uploadDir"
  | keyof UploadLimits
  | keyof ShareLimits
  | keyof LiveSettings
  | keyof SavedLimits
  | "saveDir"
  | "sampleClip"
  | "idleTimeoutMs"
  | "expiryWarningMs"
  | "maxResultBytes"
  | "sandbox"
  | "logLevel"
> & {
  /**
   * Called for sessions that expire, are recovered or are lost, which without it are only logged, and for the progress of
   * videos that take long to open.
   */
  onEvent?: (event: SessionEvent | OpeningEvent) => void;
};

export interface PredictorStats {
  /** Sessions open now. */
  sessions: number;
  /** Whether requests that need the model can be answered; see {@link EngineState}. `draining`: no session can be started. */
  state: EngineState | "draining";
  /** Why the state is not `ready`, as one sentence; null when it is. */
  reason: string | null;
  /** What new sessions run on; undefined before the first start. */
  pack: PackSummary | undefined;
  /** Undefined before the first start. */
  engine: EngineStats | undefined;
}

export interface Predictor {
  /** Rejects when the model pack cannot be used. Then every request rejects as well. */
  readonly ready: Promise<PackSummary>;
  /** One request with one answer. Rejects with ProtocolError for every error that PROTOCOL.md lists. */
  handleRequest<T extends SingleType>(request: RequestInputOf<T> & { type: T }): Promise<AnswerOf<T>>;
  /**
   * The frames of a propagation as they are computed. It starts when the first frame is requested; leaving the loop ends
   * it.
   */
  handleStreamRequest(
    request: RequestInputOf<"propagate_in_video">,
  ): AsyncGenerator<PropagatedFrame, PropagationEnd, undefined>;
  /**
   * Reads the pack's folder again. New sessions run on its current content; open sessions keep theirs. Rejects, and
   * changes nothing, when the pack cannot be used.
   */
  reloadPack(): Promise<PackSummary>;
  /** Makes requests for an owner beside the predictor's own caller. */
  connect(options: ClientOptions): Client;
  /** What an owner may know about the server. */
  describe(owner: OwnerId): Promise<AnswerOf<"get_server">>;
  /** The sessions of all owners. */
  readonly sessions: SessionRegistry;
  readonly uploads: UploadStore;
  readonly saved: SavedStore;
  /** Lists the files that an owner can open: those of a folder, or those of the media roots. */
  listMedia(folder?: string): Promise<MediaListing>;
  /** Opens media for reading, without a session. */
  viewMedia: ViewMedia;
  /** What owners hold of the server's resources. */
  readonly shares: Shares;
  /** Stores what a session of the owner saves. */
  saveSession(owner: OwnerId, sessionId: string, content: SavedContent): Promise<AnswerOf<"save_session">>;
  stats(): PredictorStats;
  /**
   * From now on sessions cannot be started; open ones continue.
   * @param retryAfterMs when another server is expected to answer, in milliseconds from now
   */
  refuseNew(retryAfterMs: () => number): void;
  /** The error of new requests after `refuseNew`; undefined before. */
  refusal(): ProtocolError | undefined;
  /** Saves and ends every open session that can be saved. Never rejects. */
  saveSessions(): Promise<void>;
  /** Running propagations fail with shutting_down. Resolves when all processes have ended and all uploads are deleted. */
  close(): Promise<void>;
}

/** Replacements for tests. */
export interface PredictorParts {
  engine?: Engine;
  clock?: Clock;
  log?: Logger;
  metrics?: Metrics;
  /** The weights of owners in {@link Shares}. */
  weightOf?: ((owner: OwnerId) => number) | undefined;
}

/**
 * Starts an inference process in the background; the first request waits for it. Without `mediaRoots` every file
 * that this process may read can be opened.
 *
 * @throws RangeError for an invalid option.
 */
export function createPredictor(options: PredictorOptions = {}, parts: PredictorParts = {}): Predictor {
  const { onEvent = () => {}, ...settings } = options;
  const config = readConfig({ logLevel: "warn", ...settings }, {});
  const log = parts.log ?? createLog(config.logLevel);
  const clock = parts.clock ?? systemClock;
  const { packDir, providers, threads, uploadDir } = config;

  const closing = new AbortController();
  const metrics = parts.metrics ?? createMetrics();
  const { weightOf } = parts;
  const shares = createShares({ limits: config, clock, metrics, ...(weightOf && { weightOf }) });
  const engine = parts.engine
    ? Promise.resolve(parts.engine)
    : createEngine({
        packDir,
        providers,
        threads,
        watchdog: { stallMs: config.engineStallMs, runTimeoutMs: config.engineRunTimeoutMs },
        log,
        signal: closing.signal,
      });
  const pictures = createPictures({
    ...{ shares, clock, maxBytes: Math.min(config.maxPictureBytes, config.maxPictureBytesPerOwner) },
    log: (message) => log.warn(message),
  });
  const uploads = createUploadStore({
    limits: config,
    shares,
    clock,
    log,
    pictures,
    ...(uploadDir !== undefined && { folder: uploadDir }),
  });
  const openMedia = createMediaOpener(options.mediaRoots, uploads, shares, pictures);
  const { maxResultBytes } = config;
  const saved = createSavedStore({
    limits: config,
    shares,
    clock,
    log,
    ...(config.saveDir !== undefined && { folder: config.saveDir }),
  });
  const open = createSessionOpener({
    ...{ engine, openMedia, pictures, saved, live: config, clock, maxResultBytes, metrics },
    nameOf: (request, owner) => mediaName(request, owner, uploads),
    weightOf: shares.weightOf,
    predictionPlacesOf: (owner) => predictionPlaces(shares, owner, config.maxPredictedPixelsPerOwner),
    shares,
  });
  const sessions = createSessionRegistry({ open, clock, log, shares, limits: config });
  let running: Engine | undefined;
  let failure: string | undefined;
  let retryAfterMs: (() => number) | undefined;
  const tools = prepareTools(config.sandbox, log);
  const ready = Promise.all([engine, tools]).then(([loaded]) => {
    running = loaded;
    return loaded.pack;
  });
  ready.catch((error: Error) => {
    failure = error.message;
    if (!closing.signal.aborted) log.error(error.message);
  });

  /** Before the first start has succeeded there is no engine to ask. */
  function firstStart(): Pick<PredictorStats, "state" | "reason"> {
    if (failure !== undefined) return { state: "failed", reason: failure };
    return { state: "starting", reason: "The inference process loads its model pack." };
  }

  function drainState(): Pick<PredictorStats, "state" | "reason"> | undefined {
    if (!retryAfterMs) return undefined;
    const seconds = Math.ceil(retryAfterMs() / 1000);
    return {
      state: "draining",
      reason: `The server is stopping; another one may answer in about ${seconds} s.`,
    };
  }

  async function describe(owner: OwnerId): Promise<AnswerOf<"get_server">> {
    await ready;
    const pack = running?.pack ?? (await ready);
    const use = { sessions: sessions.countOf(owner), shares: await shares.use(owner) };
    return serverFacts({ pack, config, tools: await tools, ...use });
  }

  async function save(owner: OwnerId, content: SavedContent): Promise<AnswerOf<"save_session">> {
    const { savedId, bytes, sha256 } = await saved.add(owner, (path) =>
      writeSavedFile(path, content, version),
    );
    return { saved_id: savedId, bytes, sha256 };
  }

  async function saveSession(owner: OwnerId, sessionId: string, content: SavedContent) {
    const facts = await save(owner, content);
    const token = sessions.find(owner, sessionId)?.token;
    // A client that was away must not continue from an older file.
    if (token !== undefined) await saved.relinkToken(owner, token, facts.saved_id);
    return facts;
  }

  function connect({ owner, onEvent: listener }: ClientOptions): Client {
    const reach: SessionReach = {
      server: () => describe(owner),
      save: (sessionId, content) => saveSession(owner, sessionId, content),
      start: (request, onOpening) => sessions.start(owner, request, onOpening),
      async get(sessionId) {
        const hosted = sessions.find(owner, sessionId);
        if (!hosted) throw sessions.refusal(sessionId);
        return hosted.use();
      },
      close: async (sessionId) => sessions.find(owner, sessionId)?.close(),
    };
    return {
      answer: createAnswerer(reach),
      stream: (request, window) => propagate(reach, request, window),
      push: (message, picture) => push(reach, message, picture),
      release: listener ? sessions.listen(owner, listener) : () => {},
    };
  }

  const caller = connect({ owner: LIBRARY_OWNER, onEvent });
  let closed: Promise<void> | undefined;

  return {
    ready,
    handleRequest: (async (input: object) => {
      const request = parseRequest(input);
      if (request.type !== "propagate_in_video") return caller.answer(request, { onOpening: onEvent });
      throw new ProtocolError("unknown_type", "type: propagate_in_video is for handleStreamRequest", "type");
    }) as Predictor["handleRequest"],
    async *handleStreamRequest(input) {
      const request = parseRequest(input);
      if (request.type === "propagate_in_video") return yield* caller.stream(request);
      throw new ProtocolError("unknown_type", `type: ${request.type} is for handleRequest`, "type");
    },
    reloadPack: async () => (await engine).reload(),
    connect,
    describe,
    saveSession,
    sessions,
    uploads,
    saved,
    shares,
    viewMedia: createMediaViewer(openMedia, pictures),
    listMedia: (folder) => listMedia(options.mediaRoots, folder, config.sampleClip),
    stats() {
      const engine = running?.stats();
      const { state, reason } = drainState() ?? engine ?? firstStart();
      return { sessions: sessions.count, state, reason, pack: running?.pack, engine };
    },
    refuseNew(waitMs) {
      retryAfterMs = waitMs;
      sessions.refuseNew(waitMs);
    },
    refusal: () => (retryAfterMs ? shuttingDown(retryAfterMs()) : undefined),
    saveSessions: () =>
      saveOpenSessions({
        sessions: sessions.all,
        save,
        saved,
        reason: () => shuttingDown(retryAfterMs?.()),
        log,
      }),
    close() {
      closed ??= (async () => {
        closing.abort();
        const ended = sessions.shutDown();
        await Promise.all([uploads.close(), saved.close(), pictures.close()]);
        // Closing the engine rejects the call in progress, which the sessions would otherwise wait for.
        await engine.then((loaded) => loaded.close()).catch(() => {});
        await ended;
      })();
      return closed;
    },
  };
}
