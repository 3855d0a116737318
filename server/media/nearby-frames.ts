/** Reads single frames of a video, and with each of them those that a person probably requests next. */
import { orAborted } from "./or-aborted.js";
import { checkedIndex } from "./range.js";
import type { MediaFrame, MediaSource } from "./source.js";

/** Frames that one decoder reads beside a requested one. Higher: more memory, at the size of the model's input. */
const FRAMES_BESIDE = 4;
/** Readings whose frames are kept: the newest ones. */
const MAX_READINGS = 2;

interface Size {
  width: number;
  height: number;
}

/** One run of a decoder. */
interface Reading extends Size {
  /** The frames that it has delivered or will deliver. */
  frames: Map<number, Promise<MediaFrame>>;
  /** Callers that wait for a frame. */
  waiters: number;
  /** Ends the decoder; delivered frames are kept. */
  cancel(): void;
}

/**
 * Implements `MediaSource.frame` by its `frames`. Starting a decoder takes longer than decoding a few more frames, so one
 * decoder reads the requested frame and the ones after it, or the ones before it when the last request was for a later frame.
 * The requested frame does not wait for frames after it.
 */
export function readNearbyFrames(
  facts: { numFrames: number },
  frames: MediaSource["frames"],
): MediaSource["frame"] {
  /** The newest first. */
  let readings: readonly Reading[] = [];
  let lastIndex = 0;

  function startReading(first: number, end: number, size: Size): Reading {
    const reading = read(frames, first, Math.min(end, facts.numFrames), size);
    // No caller waits for the rest of an earlier reading, and the new one needs the processor.
    for (const earlier of readings) if (earlier.waiters === 0) earlier.cancel();
    readings = [reading, ...readings].slice(0, MAX_READINGS);
    return reading;
  }

  async function wait(reading: Reading, index: number, signal: AbortSignal | undefined): Promise<MediaFrame> {
    const frame = reading.frames.get(index) as Promise<MediaFrame>;
    reading.waiters++;
    try {
      return await (signal ? orAborted(frame, signal) : frame);
    } finally {
      reading.waiters--;
      if (signal?.aborted && reading.waiters === 0) reading.cancel();
    }
  }

  const find = (index: number, { width, height }: Size) =>
    readings.find((one) => one.width === width && one.height === height && one.frames.has(index));

  return async (index, { signal, ...size }) => {
    signal?.throwIfAborted();
    checkedIndex(facts, index);
    const step = index < lastIndex ? -1 : 1;
    lastIndex = index;
    /** Reads `index` and the frames on one side of it. */
    const startAt = (index: number) =>
      step > 0
        ? startReading(index, index + 1 + FRAMES_BESIDE, size)
        : startReading(Math.max(0, index - FRAMES_BESIDE), index + 1, size);

    const held = find(index, size);
    const isFirst = !held && step > 0;
    try {
      const frame = await wait(held ?? startAt(index), index, signal);
      const next = index + step;
      if (held && next >= 0 && next < facts.numFrames && !find(next, size)) startAt(next);
      return frame;
    } catch (error) {
      signal?.throwIfAborted();
      // A frame before it in the reading may be damaged.
      if (isFirst || (error as { code?: string }).code !== "media_unreadable") throw error;
      return wait(startReading(index, index + 1, size), index, signal);
    }
  };
}

function read(frames: MediaSource["frames"], first: number, end: number, size: Size): Reading {
  const controller = new AbortController();
  const pending = new Map<number, { resolve(frame: MediaFrame): void; reject(error: unknown): void }>();
  const promised = new Map<number, Promise<MediaFrame>>();
  for (let index = first; index < end; index++) {
    const frame = new Promise<MediaFrame>((resolve, reject) => pending.set(index, { resolve, reject }));
    // A frame that was not requested may fail.
    frame.catch(() => {});
    promised.set(index, frame);
  }

  function fail(error: unknown): void {
    for (const [index, { reject }] of pending) {
      promised.delete(index);
      reject(error);
    }
    pending.clear();
  }

  async function deliver(): Promise<void> {
    const range = { startFrame: first, count: end - first, direction: "forward", urgent: true } as const;
    for await (const frame of frames({ ...size, ...range, signal: controller.signal })) {
      pending.get(frame.index)?.resolve(frame);
      pending.delete(frame.index);
    }
    fail(new Error(`no frame was decoded for index ${[...pending.keys()][0]}`));
  }

  deliver().catch(fail);
  return {
    ...{ frames: promised, ...size, waiters: 0 },
    cancel() {
      const reason = new DOMException("other frames are read", "AbortError");
      controller.abort(reason);
      fail(reason);
    },
  };
}
