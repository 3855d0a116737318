/** The last pictures of a live session, as they arrived: prompts name them, and a rebuilt session replays them. */

export interface KeptFrame {
  /** Number of the frame in the session, from 0 in order of arrival. */
  index: number;
  /** Microseconds; see `MediaSource.timeOf`. */
  timestampUs: number;
  /** The encoded picture. Never changed. */
  picture: Uint8Array;
}

export interface KeptFrames {
  /** Adds the newest frame, and drops the oldest ones beyond the limits. The newest one always stays. */
  add(frame: KeptFrame): void;
  get(index: number): KeptFrame | undefined;
  /** Drops a frame whose picture cannot be used. */
  drop(index: number): void;
  /** Indices, ascending. */
  readonly indices: readonly number[];
  clear(): void;
}

export interface KeptFramesLimits {
  maxFrames: number;
  /** Bytes of all pictures together. */
  maxBytes: number;
}

export function createKeptFrames({ maxFrames, maxBytes }: KeptFramesLimits): KeptFrames {
  // A Map keeps the order of insertion, so its first key is the oldest frame.
  const frames = new Map<number, KeptFrame>();
  let bytes = 0;

  function drop(index: number): void {
    bytes -= frames.get(index)?.picture.length ?? 0;
    frames.delete(index);
  }

  return {
    add(frame) {
      frames.set(frame.index, frame);
      bytes += frame.picture.length;
      for (const oldest of frames.keys()) {
        if (frames.size === 1 || (frames.size <= maxFrames && bytes <= maxBytes)) return;
        drop(oldest);
      }
    },
    get: (index) => frames.get(index),
    drop,
    get indices() {
      return [...frames.keys()];
    },
    clear() {
      frames.clear();
      bytes = 0;
    },
  };
}
