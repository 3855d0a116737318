/** Opens the parts of a live session: its pictures, its engine session, and the feed between them. */
import type { RequestOf, VideoFacts } from "../../protocol/index.js";
import type { Engine, EngineSession, SessionHooks } from "../engine/index.js";
import { DEFAULT_MEDIA_LIMITS } from "../media/limits.js";
import type { OwnerPictures } from "../pictures/pictures.js";
import { replayFrames } from "../replay-frames.js";
import { openCamera } from "./camera.js";
import { type CameraFeed, openCameraFeed } from "./camera-feed.js";
import { admitCamera } from "./camera-url.js";
import { createLiveFeed, type LiveFeed } from "./live-feed.js";
import { createLiveMedia, type LiveMedia } from "./live-media.js";
import { createSizedEngine } from "./sized-engine.js";

export interface LiveSettings {
  liveFramesKept: number;
  liveBytesKept: number;
  /** Bytes of one picture. */
  maxFrameBytes: number;
  cameraHosts: readonly string[];
}

export interface LiveParts {
  media: LiveMedia;
  engine: EngineSession;
  live: LiveSource;
}

/** Where the frames of a live session come from. */
export interface LiveSource {
  feed: LiveFeed;
  /** The index of the newest frame that can be prompted; undefined when there is none. */
  latest(): number | undefined;
  /** Present: the frames come from a camera. Absent: clients push them. */
  camera?: CameraFeed;
}

export interface OpenLiveOptions {
  pictures: OwnerPictures;
  request: RequestOf<"start_session">;
  engine: Engine;
  hooks: Omit<SessionHooks, "replayFrames">;
  settings: LiveSettings;
  nowMs(): number;
}

/** With `drop: "oldest"`, one frame waits while another is tracked: a later one takes its place. */
const MAX_WAITING = 1;

/** @throws ProtocolError camera_forbidden, media_unreadable for a camera that does not answer, invalid_field for the policy */
export async function openLive({
  pictures,
  request,
  engine,
  hooks,
  settings,
  nowMs,
}: OpenLiveOptions): Promise<LiveParts> {
  const { camera_url, drop, width, height } = request;
  const policy = request.policy && { policy: request.policy };
  const address = camera_url === undefined ? undefined : admitCamera(camera_url, settings.cameraHosts);
  const rules = await rulesOf(engine, policy);
  const media = createLiveMedia({
    pictures,
    limits: DEFAULT_MEDIA_LIMITS,
    kept: { maxFrames: settings.liveFramesKept, maxBytes: settings.liveBytesKept },
    ...(width !== undefined && height !== undefined && { size: { width, height } }),
  });
  const { inputSize } = rules.pack;
  const replay = (indices: readonly number[]) =>
    replayFrames(media, { width: inputSize, height: inputSize }, indices);
  const sized = createSizedEngine({
    rules,
    size: () =>
      media.facts.width > 0 ? { width: media.facts.width, height: media.facts.height } : undefined,
    open: (size) => engine.open({ ...size, ...policy }, { ...hooks, replayFrames: replay }),
  });
  const feed = createLiveFeed({
    media,
    engine: sized,
    inputSize,
    drop: drop ?? "none",
    maxWaiting: MAX_WAITING,
    nowMs,
  });
  const parts = { media, engine: sized.session, live: { feed, latest: () => media.latest } };
  if (!address) return parts;
  const camera = await openCameraFeed(media, feed, nowMs, (onPicture) =>
    openCamera({
      address,
      onPicture,
      stallTimeoutMs: DEFAULT_MEDIA_LIMITS.stallTimeoutMs,
      maxPictureBytes: settings.maxFrameBytes,
    }),
  );
  return { ...parts, live: { ...parts.live, camera } };
}

/** Checks the policy before the first frame: an engine session of any size has the same rules. */
async function rulesOf(
  engine: Engine,
  policy: { policy: NonNullable<RequestOf<"start_session">["policy"]> } | undefined,
) {
  const trial = await engine.open({ width: 1, height: 1, ...policy });
  await trial.close();
  return trial.rules;
}

/** The facts of a live session, which change with its frames. */
export function liveFacts(session_id: string, { facts }: LiveMedia): VideoFacts {
  return {
    session_id,
    kind: "live",
    get width() {
      return facts.width;
    },
    get height() {
      return facts.height;
    },
    get num_frames() {
      return facts.numFrames;
    },
    fps: null,
    start_time_us: null,
    duration_s: null,
  };
}
