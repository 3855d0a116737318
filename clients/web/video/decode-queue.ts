/** Decodes what is needed first: the frame on the stage, then those that come next. One reader decodes at a time. */
import { createFrameCache } from "./frame-cache.js";
import type { FramePicture } from "./frame-picture.js";
import { frameAtTime } from "./frame-times.js";

export interface DecodedFrame {
  frame: number;
  picture: FramePicture;
}

export interface DecodeQueueOptions {
  numFrames: number;
  /** Frames that decoding can start with, ascending. */
  keyFrames: readonly number[];
  maxBytes: number;
  /** Decodes in display order from a key frame on. */
  read(first: number): AsyncGenerator<DecodedFrame, void, unknown>;
  /** Decodes one key frame, faster than `read` does. */
  readKey(frame: number): Promise<DecodedFrame | undefined>;
}

export interface DecodeQueue {
  /** Rejects with the reason of the signal, or with the decoder's error. */
  get(frame: number, signal: AbortSignal): Promise<FramePicture>;
  peek(frame: number): FramePicture | undefined;
  nearest(frame: number): number | undefined;
  onPicture(listener: (frame: number) => void): () => void;
  prefetch(frame: number, step: 1 | -1): void;
  dispose(): Promise<void>;
}

interface Waiter {
  frame: number;
  resolve(picture: FramePicture): void;
  reject(error: unknown): void;
}

const PREFETCH = 24;

export function createDecodeQueue(options: DecodeQueueOptions): DecodeQueue {
  const { numFrames, keyFrames, maxBytes, read, readKey } = options;
  const cache = createFrameCache<FramePicture>(maxBytes);
  /** `next`: the frame that comes next. */
  let reader: { frames: ReturnType<typeof read>; next: number } | undefined;
  /** The key frame that was decoded alone last; a full cache may have dropped it. */
  let keyRead: number | undefined;
  /** Pictures far from this frame are dropped. */
  let centre = 0;
  let background: { from: number; step: 1 | -1; left: number } | undefined;
  let waiters: Waiter[] = [];
  let work: Promise<void> | undefined;
  let isDisposed = false;

  /** The last key frame up to `frame`. */
  const keyBefore = (frame: number): number => keyFrames[Math.max(0, frameAtTime(keyFrames, frame))] ?? 0;

  async function stopReader(): Promise<void> {
    const { frames } = reader ?? {};
    reader = undefined;
    await frames?.return().catch(() => {});
  }

  /**
   * Decodes one more picture on the way to `frame`: its key frame first, which is shown while people scrub.
   * @returns the frame of the picture
   */
  async function step(frame: number): Promise<number> {
    const key = keyBefore(frame);
    // A reader that is in the same group of pictures, before the frame, is the shortest way to it.
    if (reader && (reader.next > frame || reader.next < key)) await stopReader();
    if (!reader && !cache.has(key) && keyRead !== key) {
      keyRead = key;
      const first = await readKey(key);
      if (isDisposed) first?.picture.close();
      else if (first) {
        cache.put(first.frame, first.picture, centre);
        settle();
        return first.frame;
      }
    }
    keyRead = undefined;
    reader ??= { frames: read(key), next: key };
    const { value } = await reader.frames.next();
    if (!value) {
      await stopReader();
      throw new Error(`the browser's decoder has no picture for frame ${frame}`);
    }
    if (isDisposed) {
      value.picture.close();
      return value.frame;
    }
    if (reader) reader.next = value.frame + 1;
    cache.put(value.frame, value.picture, centre);
    if (value.frame > frame && !cache.has(frame))
      throw new Error(`the browser's decoder left out frame ${frame}`);
    settle();
    return value.frame;
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

  /** A full cache drops pictures at once; they are not decoded again in the background. */
  function passBackground(frame: number): void {
    if (background?.from !== frame) return;
    const { step: direction, left } = background;
    background = { from: frame + direction, step: direction, left: left - 1 };
  }

  function nextWanted(): number | undefined {
    const latest = waiters.at(-1);
    if (latest) {
      centre = latest.frame;
      return latest.frame;
    }
    while (background && background.left > 0) {
      const { from } = background;
      if (from < 0 || from >= numFrames) break;
      if (!cache.has(from)) return from;
      passBackground(from);
    }
    background = undefined;
    return undefined;
  }

  async function decode(): Promise<void> {
    for (;;) {
      const frame = nextWanted();
      if (frame === undefined || isDisposed) return;
      try {
        if ((await step(frame)) >= frame) passBackground(frame);
      } catch (error) {
        background = undefined;
        const failed = waiters.filter((one) => one.frame === frame);
        waiters = waiters.filter((one) => one.frame !== frame);
        for (const { reject } of failed) reject(error);
        await stopReader();
      }
    }
  }

  function wake(): void {
    work ??= decode().finally(() => {
      work = undefined;
      if (!isDisposed && nextWanted() !== undefined) wake();
    });
  }

  return {
    peek: cache.get,
    nearest: cache.nearest,
    onPicture: cache.onPicture,
    get(frame, signal) {
      centre = frame;
      const held = cache.get(frame);
      if (held) return Promise.resolve(held);
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        const waiter: Waiter = { frame, resolve, reject };
        const stop = () => {
          waiters = waiters.filter((one) => one !== waiter);
          reject(signal.reason);
        };
        signal.addEventListener("abort", stop, { once: true });
        waiters.push(waiter);
        background = undefined;
        wake();
      });
    },
    prefetch(frame, direction) {
      centre = frame;
      background = { from: frame + direction, step: direction, left: PREFETCH };
      wake();
    },
    async dispose() {
      isDisposed = true;
      const waiting = waiters;
      waiters = [];
      for (const { reject } of waiting) reject(new DOMException("the video was closed", "AbortError"));
      await work?.catch(() => {});
      await stopReader();
      cache.clear();
    },
  };
}
