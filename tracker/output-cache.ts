/** Caches the masks of visited frames as run lengths. A propagation in fetch mode returns them without running the model. */
import type { RenderedObject } from "./masks/render.js";

export interface OutputCache {
  /** Stores the objects of a frame without their bits. */
  set(frameIndex: number, objects: readonly RenderedObject[]): void;
  get(frameIndex: number): readonly RenderedObject[] | undefined;
  has(frameIndex: number): boolean;
  /** Removes an object from every frame. */
  removeObject(objectId: number): void;
  /** Replaces the objects of the frames of a stretch, both ends inclusive. */
  rewrite(
    stretch: { first: number; last: number },
    change: (objects: readonly RenderedObject[]) => readonly RenderedObject[],
  ): void;
  clear(): void;
  /** Shares the objects of each frame, which are never changed in place. */
  snapshot(): OutputCacheSnapshot;
  /** Replaces all frames. */
  restore(snapshot: OutputCacheSnapshot): void;
}

/** The objects of each frame, by frame index; the frame that was set longest ago comes first. */
export type OutputCacheSnapshot = ReadonlyMap<number, readonly RenderedObject[]>;

/** @param maxFrames capacity; beyond it, the frame that was set longest ago is dropped */
export function createOutputCache(maxFrames: number): OutputCache {
  const frames = new Map<number, readonly RenderedObject[]>();
  return {
    set(frameIndex, objects) {
      frames.delete(frameIndex);
      frames.set(
        frameIndex,
        objects.map(({ bits: _, ...object }) => object),
      );
      for (const oldest of frames.keys()) {
        if (frames.size <= maxFrames) break;
        frames.delete(oldest);
      }
    },
    get: (frameIndex) => frames.get(frameIndex),
    has: (frameIndex) => frames.has(frameIndex),
    removeObject(objectId) {
      for (const [frameIndex, objects] of frames) {
        frames.set(
          frameIndex,
          objects.filter((object) => object.objectId !== objectId),
        );
      }
    },
    rewrite({ first, last }, change) {
      for (const [frameIndex, objects] of frames) {
        if (frameIndex >= first && frameIndex <= last) frames.set(frameIndex, change(objects));
      }
    },
    clear: () => frames.clear(),
    snapshot: () => new Map(frames),
    restore(snapshot) {
      frames.clear();
      for (const [frameIndex, objects] of snapshot) frames.set(frameIndex, objects);
    },
  };
}
