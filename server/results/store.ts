/**
 * The results of one session: for each visited frame, the objects as last computed or edited. It is kept in the main
 * process, so that results can be read, merged and edited without the model.
 *
 * Stored frames are immutable. A change replaces a frame, so readers keep what they have read.
 *
 * The store has a bound in bytes. Beyond it, the earlier results that `undo` restores are dropped first: `undo` then leaves
 * these frames without a result. Then the frames that are farthest from the frame that was set last are dropped.
 */
import type { ObjectOutput } from "../engine/index.js";
import { bytesOfFrame, type FrameStretch, type StoredFrame } from "./stored-frame.js";
import { createVersions } from "./versions.js";

export interface ResultsStore {
  /** Stores all objects of a frame. */
  set(frame: StoredFrame): void;
  /**
   * Stores some objects of a frame; the other objects of the stored frame stay.
   * @param frame contains the objects `objectIds`; those without a mask are absent from it
   * @returns the complete frame
   */
  merge(frame: StoredFrame, objectIds: ReadonlySet<number>): StoredFrame;
  get(frameIndex: number): StoredFrame | undefined;
  /** The object on the frame; undefined when it has no mask there or the frame is not stored. */
  object(frameIndex: number, objectId: number): ObjectOutput | undefined;
  /** The stored frames of a stretch, or all; ascending. */
  frames(stretch?: FrameStretch): number[];
  /**
   * Replaces the objects of each stored frame of a stretch.
   * @param change returns the new objects in any order, or its argument when the frame does not change
   * @returns number of frames that changed
   */
  rewrite(
    stretch: FrameStretch,
    change: (objects: readonly ObjectOutput[], frameIndex: number) => readonly ObjectOutput[],
  ): number;
  /** Deletes an object from every stored frame. */
  removeObject(objectId: number): void;
  /** Number of stored frames. */
  readonly size: number;
  /** Estimated memory, including the earlier versions of frames. */
  readonly bytes: number;
  /** Starts a version: `undo` restores the frames that change from now on. Discards the versions that `redo` could restore. */
  checkpoint(): void;
  /** How often `undo` can be called. */
  readonly undoDepth: number;
  readonly redoDepth: number;
  /** Goes back to the last checkpoint. @returns a stretch with all frames that changed. @throws RangeError without one */
  undo(): FrameStretch | undefined;
  /** Reverts the last `undo`. @returns as `undo`. @throws RangeError without one */
  redo(): FrameStretch | undefined;
  /** Drops all frames and versions. */
  clear(): void;
}

export interface ResultsStoreOptions {
  maxBytes: number;
  /** Number of checkpoints that are kept. */
  maxVersions: number;
}

/** Largest share of the bound that versions take without their results. Beyond it, the oldest ones are dropped. */
const MAX_KEY_SHARE = 0.25;

/** A store that is full is reduced to this share of its bound, so that not every frame has to drop another one. */
const FILL_AFTER_DROP = 0.9;

export function createResultsStore({ maxBytes, maxVersions }: ResultsStoreOptions): ResultsStore {
  const versions = createVersions<StoredFrame>({ maxVersions, bytesOf: bytesOfFrame });
  const { current } = versions;

  const ascending = () => [...current.keys()].sort((a, b) => a - b);

  function makeRoom(latest: number): void {
    if (versions.bytes <= maxBytes) return;
    const target = maxBytes * FILL_AFTER_DROP;
    while (versions.bytes > target && versions.thinOldest());
    while (versions.keyBytes > maxBytes * MAX_KEY_SHARE && versions.dropOldest());
    const frames = ascending();
    let [low, high] = [0, frames.length - 1];
    while (versions.bytes > target && low < high) {
      const [first, last] = [frames[low] as number, frames[high] as number];
      if (latest - first >= last - latest) {
        versions.evict(first);
        low++;
      } else {
        versions.evict(last);
        high--;
      }
    }
  }

  function put(frame: StoredFrame): void {
    versions.set(frame.frameIndex, frame);
    makeRoom(frame.frameIndex);
  }

  return {
    set: put,
    merge(frame, objectIds) {
      const others = (current.get(frame.frameIndex)?.objects ?? []).filter(
        ({ objectId }) => !objectIds.has(objectId),
      );
      const own = frame.objects.filter(({ objectId }) => objectIds.has(objectId));
      const unseen = [
        ...(current.get(frame.frameIndex)?.unseen ?? []).filter(({ objectId }) => !objectIds.has(objectId)),
        ...(frame.unseen ?? []).filter(({ objectId }) => objectIds.has(objectId)),
      ];
      const merged = { ...frame, objects: byId([...others, ...own]), unseen: byId(unseen) };
      put(merged);
      return merged;
    },
    get: (frameIndex) => current.get(frameIndex),
    object: (frameIndex, objectId) =>
      current.get(frameIndex)?.objects.find((object) => object.objectId === objectId),
    frames: ({ first, last } = { first: 0, last: Number.POSITIVE_INFINITY }) =>
      ascending().filter((index) => index >= first && index <= last),
    rewrite(stretch, change) {
      let changed = 0;
      for (const frameIndex of this.frames(stretch)) {
        const frame = current.get(frameIndex);
        const objects = frame && change(frame.objects, frameIndex);
        if (!objects || objects === frame.objects) continue;
        changed++;
        const ids = new Set(objects.map(({ objectId }) => objectId));
        const unseen = frame.unseen?.filter(({ objectId }) => !ids.has(objectId));
        put({ ...frame, objects: byId(objects), ...(unseen && { unseen }) });
      }
      return changed;
    },
    removeObject(objectId) {
      const isOther = (object: { objectId: number }) => object.objectId !== objectId;
      for (const frame of [...current.values()]) {
        const { objects, unseen } = frame;
        if (objects.every(isOther) && (unseen ?? []).every(isOther)) continue;
        put({
          ...frame,
          objects: objects.filter(isOther),
          ...(unseen && { unseen: unseen.filter(isOther) }),
        });
      }
    },
    get size() {
      return current.size;
    },
    get bytes() {
      return versions.bytes;
    },
    checkpoint: versions.checkpoint,
    get undoDepth() {
      return versions.undoDepth;
    },
    get redoDepth() {
      return versions.redoDepth;
    },
    undo: versions.undo,
    redo: versions.redo,
    clear: versions.clear,
  };
}

const byId = <T extends { readonly objectId: number }>(objects: readonly T[]) =>
  [...objects].sort((a, b) => a.objectId - b.objectId);
