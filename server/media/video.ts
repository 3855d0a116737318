import { cutShortBefore, type DecodedFrame, type DecodeRequest, decodeFrames } from "./decode.js";
import type { MediaLimits } from "./limits.js";
import type { MediaFile } from "./media-file.js";
import { readNearbyFrames } from "./nearby-frames.js";
import { decoderPriority, readsNearbyFrames } from "./picture-cost.js";
import { UNLIMITED_PLACES } from "./places.js";
import { probeVideo } from "./probe.js";
import { checkedIndex, checkedRange, rememberLastFrame } from "./range.js";
import type { Demuxer } from "./sniff.js";
import type { FrameRange, MediaSource, OpenMediaOptions } from "./source.js";
import { keyframeFrom, timestampUs } from "./video-index.js";

/**
 * Memory for pictures while going backward, for each stream. Decoding runs forward, one stretch at a time, and a stretch
 * is held whole; a larger value decodes fewer pictures twice.
 */
const REVERSE_BYTES = 32 * 1024 * 1024;

export async function openVideo(
  file: MediaFile,
  demuxer: Demuxer,
  limits: MediaLimits,
  options: OpenMediaOptions = {},
): Promise<MediaSource> {
  const video = await probeVideo(file, demuxer, limits, options);
  const { stallTimeoutMs } = limits;
  const { places = UNLIMITED_PLACES } = options;
  const { facts, index } = video;

  const closing = new AbortController();
  const processes = new Set<Promise<unknown>>();
  const onProcess = (exited: Promise<unknown>) => {
    processes.add(exited);
    exited.catch(() => {}).finally(() => processes.delete(exited));
  };

  async function* frames(range: FrameRange): AsyncGenerator<DecodedFrame, void, undefined> {
    checkedRange(facts, range);
    const { urgent = false } = range;
    const signal = range.signal ? AbortSignal.any([range.signal, closing.signal]) : closing.signal;
    // One place for all processes of the stream: a stream that waited for a second one could wait for itself.
    const place = await places.decode({ maxPicturePixels: video.maxPicturePixels, signal, urgent });
    try {
      yield* decodeRange(range, signal, decoderPriority({ urgent, ...video }));
    } finally {
      place.release();
    }
  }

  async function* decodeRange(
    range: FrameRange,
    either: AbortSignal,
    priority: "normal" | "low",
  ): AsyncGenerator<DecodedFrame, void, undefined> {
    const { width, height, direction, first, end } = checkedRange(facts, range);
    const decode = (startFrame: number, endFrame: number) => {
      const request: DecodeRequest = {
        video,
        width,
        height,
        startFrame,
        endFrame,
        stallTimeoutMs,
        priority,
        signal: either,
        onProcess,
      };
      return decodeFrames(request);
    };
    if (direction === "forward") {
      yield* decode(first, end);
      return;
    }
    const stretch = Math.max(1, Math.floor(REVERSE_BYTES / (width * height * 3)));
    for (let upTo = end; upTo > first; ) {
      const lowest = Math.max(first, upTo - stretch);
      // When a stretch begins at a keyframe, ffmpeg decodes only pictures that are delivered.
      const keyframe = keyframeFrom(index, lowest);
      const from = keyframe >= 0 && keyframe < upTo ? keyframe : lowest;
      const pictures: DecodedFrame[] = [];
      for await (const frame of decode(from, upTo)) pictures.push(frame);
      for (let last = pictures.pop(); last; last = pictures.pop()) {
        yield last;
        either.throwIfAborted();
      }
      upTo = from;
    }
  }

  return {
    facts,
    frames,
    frame: readsNearbyFrames(video) ? readNearbyFrames(facts, frames) : rememberLastFrame(frames),
    timeOf(position) {
      checkedIndex(facts, position);
      if (position >= index.pts.length) throw cutShortBefore(position);
      return timestampUs(index, position);
    },
    async close() {
      closing.abort(new DOMException("the video was closed", "AbortError"));
      await Promise.allSettled(processes);
    },
  };
}
