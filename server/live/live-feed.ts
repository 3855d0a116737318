/**
 * The frames of a live session on their way through the tracker. Every frame that arrives is settled exactly once: with
 * its masks, as dropped, or with an error.
 *
 * Frames are tracked one after the other, in the order of arrival. While one is tracked, the next one is decoded.
 */
import type { ProtocolError } from "../../protocol/errors.js";
import type { EngineFrame, FrameOutput } from "../engine/index.js";
import type { KeptFrame } from "./kept-frames.js";
import type { LiveMedia } from "./live-media.js";
import type { SizedEngine } from "./sized-engine.js";

/** `none`: every frame is tracked. `oldest`: when frames arrive faster than they are tracked, the oldest one that waits is dropped. */
export type DropRule = "none" | "oldest";

export interface TrackedPicture {
  kind: "frame";
  frameIndex: number;
  timestampUs: number;
  output: FrameOutput;
}

export type LiveResult = TrackedPicture | { kind: "dropped"; frameIndex: number };

export interface LiveFeed {
  /**
   * Takes one picture. Resolves when it is tracked or dropped.
   * @param timestampUs undefined: the time since the first frame arrived
   * @param earlier settles when the requests before this frame are answered; the frame is tracked after that
   * @throws ProtocolError media_unsupported, media_unreadable, or what the engine reports; the next frames are not affected
   */
  push(picture: Uint8Array, timestampUs: number | undefined, earlier: Promise<unknown>): Promise<LiveResult>;
  /** Tracks a frame that has arrived already. As `push`, but the frame is never dropped. */
  track(frame: KeptFrame, earlier: Promise<unknown>): Promise<LiveResult>;
  /** True while a frame waits or is tracked. */
  readonly busy: boolean;
  /** Resolves when no frame waits or is tracked. */
  idle(): Promise<void>;
  /** Frames that wait fail with `reason`. */
  close(reason: ProtocolError): void;
}

export interface LiveFeedParts {
  media: LiveMedia;
  engine: SizedEngine;
  /** Side of the model's input in pixels. */
  inputSize: number;
  drop: DropRule;
  /** Frames that may wait under `drop: "oldest"`. */
  maxWaiting: number;
  nowMs(): number;
}

interface Waiting {
  frame: KeptFrame;
  earlier: Promise<unknown>;
  resolve(result: LiveResult): void;
  reject(error: unknown): void;
  /** Started while the frame before it is tracked. */
  decoded?: Promise<EngineFrame>;
}

/** A pass over frames of unknown number. */
const LAST_FRAME = Number.MAX_SAFE_INTEGER;

export function createLiveFeed(parts: LiveFeedParts): LiveFeed {
  const { media, engine, inputSize, drop, maxWaiting } = parts;
  const waiting: Waiting[] = [];
  let working: Promise<void> | undefined;
  let isInPass = false;
  let startMs: number | undefined;
  let closed: ProtocolError | undefined;

  function elapsedUs(): number {
    startMs ??= parts.nowMs();
    return Math.round((parts.nowMs() - startMs) * 1000);
  }

  async function decode(frame: KeptFrame): Promise<EngineFrame> {
    return { index: frame.index, rgb: await media.decode(frame, { width: inputSize, height: inputSize }) };
  }

  function startDecoding(next: Waiting): Promise<EngineFrame> {
    next.decoded ??= decode(next.frame);
    // It is awaited in its turn; until then a rejection has no handler.
    next.decoded.catch(() => {});
    return next.decoded;
  }

  async function track(frame: EngineFrame): Promise<FrameOutput> {
    if (!engine.isPrompted) {
      isInPass = false;
      return { frameIndex: frame.index, objects: [], stats: { tracked: 0, dropped: 0 } };
    }
    const { session } = engine;
    try {
      if (!isInPass) {
        const pass = { reverse: false, firstFrame: frame.index, lastFrame: LAST_FRAME, startFrame: null };
        await session.begin(pass);
        isInPass = true;
      }
      await session.push({ frame });
      const [output] = await session.next();
      if (!output) throw new Error(`frame ${frame.index} was tracked without a result`);
      return output;
    } catch (error) {
      // A new pass discards the frame that failed.
      isInPass = false;
      throw error;
    }
  }

  async function work(): Promise<void> {
    for (;;) {
      const current = waiting.shift();
      if (!current) break;
      const { frame, earlier, resolve, reject } = current;
      try {
        const decoded = await startDecoding(current);
        const [next] = waiting;
        if (next) void startDecoding(next);
        await earlier;
        const output = await track(decoded);
        resolve({ kind: "frame", frameIndex: frame.index, timestampUs: frame.timestampUs, output });
      } catch (error) {
        reject(closed ?? error);
      }
    }
    working = undefined;
  }

  function enqueue(frame: KeptFrame, earlier: Promise<unknown>): Promise<LiveResult> {
    if (closed) return Promise.reject(closed);
    return new Promise((resolve, reject) => {
      waiting.push({ frame, earlier, resolve, reject });
      working ??= work();
    });
  }

  function dropOldest(): void {
    const oldest = waiting.shift();
    oldest?.resolve({ kind: "dropped", frameIndex: oldest.frame.index });
  }

  return {
    async push(picture, timestampUs, earlier) {
      if (drop === "oldest" && waiting.length >= maxWaiting) dropOldest();
      return enqueue(media.arrive(picture, timestampUs ?? elapsedUs()), earlier);
    },
    track: enqueue,
    get busy() {
      return working !== undefined;
    },
    async idle() {
      await working;
    },
    close(reason) {
      closed ??= reason;
      for (const { reject } of waiting.splice(0)) reject(closed);
    },
  };
}
