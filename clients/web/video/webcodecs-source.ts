/** Pictures that the browser decodes itself: mediabunny reads the file, WebCodecs decodes it. */
import {
  ALL_FORMATS,
  BlobSource,
  EncodedPacketSink,
  Input,
  type InputVideoTrack,
  UrlSource,
  VideoSampleSink,
} from "mediabunny";
import { authorization } from "../connection/http.js";
import { createFrameCache } from "./frame-cache.js";
import type { FrameSource } from "./frame-source.js";
import { frameAtTime, matchTimes } from "./frame-times.js";

/** Why the browser cannot show this video frame by frame. */
export class UnusableVideo extends Error {}

export interface WebCodecsOptions {
  /** A local file, or the address of the server's file. */
  media: Blob | string;
  /** Of all frames, from the server. */
  frameTimesUs: ArrayLike<number>;
  /** The size of frames on the server, in pixels. */
  width: number;
  height: number;
  maxBytes?: number;
}

const MAX_BYTES = 320 * 2 ** 20;
/** Pictures that are larger are reduced: enough for zooming, and several fit in memory. */
const MAX_SIDE_PX = 1920;
/** A reader that is at most this many frames behind continues; another one starts at the key frame before. */
const FRAMES_AHEAD = 48;
const PREFETCH = 24;

/** @throws UnusableVideo when the browser lacks the codec, or counts other frames than the server. */
export async function openWebCodecs(options: WebCodecsOptions): Promise<FrameSource> {
  if (!("VideoDecoder" in globalThis)) throw new UnusableVideo("the browser has no WebCodecs");
  const { media } = options;
  const source =
    typeof media === "string"
      ? new UrlSource(media, { requestInit: { headers: authorization() }, handleUnhandledError: () => {} })
      : new BlobSource(media);
  const input = new Input({ source, formats: ALL_FORMATS });
  try {
    const track = await input.getPrimaryVideoTrack();
    if (!track) throw new UnusableVideo("the browser finds no video in the file");
    if (!(await track.canDecode()))
      throw new UnusableVideo(`the browser cannot decode ${await track.getCodec()}`);
    const timesUs = await compareTimes(track, options.frameTimesUs);
    return createSource(input, track, timesUs, options);
  } catch (error) {
    input.dispose();
    throw error instanceof UnusableVideo
      ? error
      : new UnusableVideo(`the browser cannot read the file: ${error}`, { cause: error });
  }
}

async function compareTimes(track: InputVideoTrack, serverUs: ArrayLike<number>): Promise<Float64Array> {
  const times: number[] = [];
  const packets = new EncodedPacketSink(track).packets(undefined, undefined, { metadataOnly: true });
  for await (const { timestamp } of packets) {
    times.push(timestamp * 1e6);
    if (times.length > serverUs.length) break;
  }
  const match = matchTimes(serverUs, times);
  if ("reason" in match) throw new UnusableVideo(match.reason);
  return match.timesUs;
}

interface Reader {
  samples: ReturnType<VideoSampleSink["samples"]>;
  /** The frame that comes next. */
  next: number;
}

function createSource(
  input: Input,
  track: InputVideoTrack,
  timesUs: Float64Array,
  { width, height, maxBytes = MAX_BYTES }: WebCodecsOptions,
): FrameSource {
  const sink = new VideoSampleSink(track);
  const cache = createFrameCache<ImageBitmap>(maxBytes);
  const scale = Math.min(1, MAX_SIDE_PX / Math.max(width, height));
  const canvas = new OffscreenCanvas(
    Math.max(1, Math.round(width * scale)),
    Math.max(1, Math.round(height * scale)),
  );
  const context = canvas.getContext("2d", { alpha: false }) as OffscreenCanvasRenderingContext2D;
  const numFrames = timesUs.length;
  let reader: Reader | undefined;
  let isDisposed = false;
  /** The frame that is needed first, and the last one of the prefetch behind it. */
  let wanted = { frame: 0, until: -1 };
  let waiters: { frame: number; resolve(picture: ImageBitmap): void; reject(error: unknown): void }[] = [];
  let isDecoding = false;

  async function stopReader(): Promise<void> {
    const old = reader;
    reader = undefined;
    await old?.samples.return().catch(() => {});
  }

  /** Decodes one more picture toward `frame`. */
  async function step(frame: number): Promise<void> {
    if (reader && (frame < reader.next || frame > reader.next + FRAMES_AHEAD)) await stopReader();
    if (!reader) {
      const start = await firstFrameFrom(frame);
      reader = { samples: sink.samples((timesUs[start] as number) / 1e6), next: start };
    }
    const { value: sample } = await reader.samples.next();
    if (!sample) {
      await stopReader();
      throw new UnusableVideo(`the browser has no picture for frame ${frame}`);
    }
    const index = Math.max(0, frameAtTime(timesUs, sample.timestamp * 1e6 + 1000));
    sample.draw(context, 0, 0, canvas.width, canvas.height);
    sample.close();
    cache.put(index, canvas.transferToImageBitmap(), wanted.frame);
    if (reader) reader.next = index + 1;
    settle();
  }

  /** The key frame before, so that the frames on the way are kept as well: people move back and forth. */
  async function firstFrameFrom(frame: number): Promise<number> {
    const packets = new EncodedPacketSink(track);
    const key = await packets.getKeyPacket((timesUs[frame] as number) / 1e6 + 1e-4, { metadataOnly: true });
    if (!key) return frame;
    const first = Math.max(0, frameAtTime(timesUs, key.timestamp * 1e6 + 1000));
    return Math.min(frame, Math.max(first, frame - MAX_KEPT_BEFORE));
  }

  function settle(): void {
    const waiting = waiters;
    waiters = [];
    for (const waiter of waiting) {
      const picture = cache.get(waiter.frame);
      if (picture) waiter.resolve(picture);
      else waiters.push(waiter);
    }
  }

  function nextWanted(): number | undefined {
    if (waiters.length > 0) return waiters.at(-1)?.frame;
    const { frame, until } = wanted;
    const step = until < frame ? -1 : 1;
    if (until < 0) return undefined;
    for (let at = frame; step > 0 ? at <= until : at >= until; at += step) if (!cache.has(at)) return at;
    return undefined;
  }

  async function work(): Promise<void> {
    if (isDecoding) return;
    isDecoding = true;
    try {
      for (;;) {
        const frame = nextWanted();
        if (frame === undefined || isDisposed) break;
        try {
          await step(frame);
        } catch (error) {
          wanted = { ...wanted, until: -1 };
          const failed = waiters;
          waiters = [];
          for (const waiter of failed) waiter.reject(error);
          await stopReader();
        }
      }
    } finally {
      isDecoding = false;
    }
  }

  return {
    kind: "webcodecs",
    peek: (frame) => cache.get(frame),
    get(frame, signal) {
      const held = cache.get(frame);
      if (held) return Promise.resolve(held);
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        const waiter = { frame, resolve, reject };
        signal.addEventListener(
          "abort",
          () => {
            waiters = waiters.filter((one) => one !== waiter);
            reject(signal.reason);
          },
          { once: true },
        );
        waiters.push(waiter);
        wanted = { frame, until: -1 };
        void work();
      });
    },
    prefetch(frame, step) {
      const until = Math.min(numFrames - 1, Math.max(0, frame + step * PREFETCH));
      wanted = { frame, until };
      void work();
    },
    dispose() {
      isDisposed = true;
      void stopReader().finally(() => input.dispose());
      for (const { reject } of waiters) reject(new DOMException("the video was closed", "AbortError"));
      waiters = [];
      cache.clear();
    },
  };
}

/** Frames before the wanted one that are kept when decoding starts at a key frame far behind. */
const MAX_KEPT_BEFORE = 60;
