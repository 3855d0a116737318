/** The masks of visited frames, as runs: what a propagation shows that asks no model. */
import type { RenderedObject } from "./masks/render.js";

export interface OutputCache {
  set(frameIndex: number, objects: readonly RenderedObject[]): void;
  get(frameIndex: number): readonly RenderedObject[] | undefined;
  has(frameIndex: number): boolean;
  /** Takes an object out of every frame. */
  removeObject(objectId: number): void;
  clear(): void;
}

/** @param maxFrames beyond which the frame that was set longest ago is forgotten */
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
    clear: () => frames.clear(),
  };
}
