/** Decoded pictures, bounded by bytes: those farthest from the frame in use are dropped first. */
import type { FramePicture } from "./frame-picture.js";

export type CachedPicture = Pick<FramePicture, "bytes" | "close">;

export interface FrameCache<P extends CachedPicture> {
  get(frame: number): P | undefined;
  has(frame: number): boolean;
  /** The frame in the cache that is nearest to `frame`. */
  nearest(frame: number): number | undefined;
  /** Calls the listener for each picture that stays in the cache. Returns the function that removes it. */
  onPicture(listener: (frame: number) => void): () => void;
  /** Takes over the picture, and drops those farthest from `centre` until all fit: also this one. */
  put(frame: number, picture: P, centre: number): void;
  /** Closes all pictures and removes all listeners. */
  clear(): void;
  readonly bytes: number;
}

export function createFrameCache<P extends CachedPicture>(maxBytes: number): FrameCache<P> {
  const pictures = new Map<number, P>();
  const listeners = new Set<(frame: number) => void>();
  let bytes = 0;

  function drop(frame: number): void {
    const picture = pictures.get(frame);
    if (!picture) return;
    pictures.delete(frame);
    bytes -= picture.bytes;
    picture.close();
  }

  return {
    get: (frame) => pictures.get(frame),
    has: (frame) => pictures.has(frame),
    nearest(frame) {
      let best: number | undefined;
      for (const held of pictures.keys())
        if (best === undefined || Math.abs(held - frame) < Math.abs(best - frame)) best = held;
      return best;
    },
    put(frame, picture, centre) {
      drop(frame);
      pictures.set(frame, picture);
      bytes += picture.bytes;
      while (bytes > maxBytes && pictures.size > 1) {
        let farthest = -1;
        for (const held of pictures.keys()) {
          if (farthest < 0 || Math.abs(held - centre) > Math.abs(farthest - centre)) farthest = held;
        }
        drop(farthest);
      }
      if (pictures.has(frame)) for (const listener of listeners) listener(frame);
    },
    onPicture(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    clear() {
      listeners.clear();
      for (const frame of [...pictures.keys()]) drop(frame);
    },
    get bytes() {
      return bytes;
    },
  };
}
