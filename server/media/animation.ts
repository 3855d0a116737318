/** Animated GIF, WebP and PNG files as videos. */
import { mediaUnsupported } from "./errors.js";
import type { FrameLimit, MediaLimits } from "./limits.js";
import { checkedIndex, checkedRange, rememberLastFrame } from "./range.js";
import type { FrameRange, MediaFrame, MediaSource, VideoFacts } from "./source.js";

/** A file of several pictures that are shown one after the other. */
export interface Animation {
  /** Waits for the processes that still read the file. */
  close?(): Promise<void>;
  width: number;
  height: number;
  codec: "gif" | "webp" | "apng";
  /** How long each picture is shown, in milliseconds, as browsers show it. */
  delaysMs: readonly number[];
  /** The pictures `first` … `end - 1` in order. */
  read(range: AnimationRange): AsyncGenerator<AnimationPicture>;
}

export interface AnimationRange {
  first: number;
  end: number;
  /** Size of the pictures wanted. */
  width: number;
  height: number;
  signal: AbortSignal;
}

export interface AnimationPicture {
  /** `[height, width, 3]` uint8. */
  rgb: Uint8Array;
  /** The picture is damaged; `rgb` is the one before it. */
  damaged?: true;
}

/** Memory for pictures while going backward: a stretch is decoded forward and held whole. */
const REVERSE_BYTES = 32 * 1024 * 1024;

/** Browsers show pictures with a delay of at most 10 ms for 100 ms. */
export function shownDelayMs(delayMs: number): number {
  return delayMs > 10 ? delayMs : 100;
}

/** An animation as a video. Frame times start from 0. Throws `media_unsupported` when it exceeds the limits. */
export function playAnimation(animation: Animation, limits: MediaLimits, limit: FrameLimit): MediaSource {
  const { width, height, codec, delaysMs } = animation;
  checkAnimationSize(animation, limits);
  if (delaysMs.length > limit.maxFrames) throw limit.exceeded();
  const startsUs = new Float64Array(delaysMs.length);
  let totalUs = 0;
  for (const [i, delayMs] of delaysMs.entries()) {
    startsUs[i] = Math.round(totalUs);
    totalUs += delayMs * 1000;
  }
  const spanUs = startsUs[delaysMs.length - 1] as number;
  const facts: VideoFacts = {
    ...{ kind: "video", width, height, numFrames: delaysMs.length, codec, rotationDeg: 0 },
    ...{ fps: ((delaysMs.length - 1) * 1e6) / spanUs, startTimeUs: 0, durationS: totalUs / 1e6 },
  };
  return createSource(animation, facts, startsUs);
}

export function checkAnimationSize(
  { width, height }: { width: number; height: number },
  limits: MediaLimits,
): void {
  if (width * height <= limits.maxPixels) return;
  throw mediaUnsupported(
    `The animation is ${width}×${height}; the limit is ${limits.maxPixels} pixels per frame.`,
  );
}

function createSource(animation: Animation, facts: VideoFacts, startsUs: Float64Array): MediaSource {
  const closing = new AbortController();
  const timeOf = (index: number) => startsUs[checkedIndex(facts, index)] as number;

  async function* frames(range: FrameRange): AsyncGenerator<MediaFrame, void, undefined> {
    const { width, height, direction, first, end } = checkedRange(facts, range);
    const signal = range.signal ? AbortSignal.any([range.signal, closing.signal]) : closing.signal;
    async function* stretch(from: number, to: number): AsyncGenerator<MediaFrame> {
      let index = from;
      for await (const picture of animation.read({ first: from, end: to, width, height, signal })) {
        signal.throwIfAborted();
        yield { index, timestampUs: timeOf(index), ...picture };
        index++;
      }
    }
    if (direction === "forward") {
      yield* stretch(first, end);
      return;
    }
    const length = Math.max(1, Math.floor(REVERSE_BYTES / (width * height * 3)));
    for (let upTo = end; upTo > first; upTo -= length) {
      const pictures: MediaFrame[] = [];
      for await (const frame of stretch(Math.max(first, upTo - length), upTo)) pictures.push(frame);
      for (let last = pictures.pop(); last; last = pictures.pop()) {
        yield last;
        signal.throwIfAborted();
      }
    }
  }

  return {
    facts,
    frames,
    frame: rememberLastFrame(frames),
    timeOf,
    async close() {
      closing.abort(new DOMException("the animation was closed", "AbortError"));
      await animation.close?.();
    },
  };
}
