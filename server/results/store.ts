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
import type { Affected } from "./affected.js";
import { bytesOfFrame, type FrameStretch, type StoredFrame, withoutOldOverlaps } from "./stored-frame.js";
import { type Change, createVersions } from "./versions.js";

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
   * Replaces each stored frame of a stretch.
   * @param change returns the new frame with its objects in any order, or its argument when the frame does not change
   * @returns number of frames that changed
   */
  rewrite(stretch: FrameStretch, change: (frame: StoredFrame) => StoredFrame): number;
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
  /** Goes back to the last checkpoint. @returns for each object whose masks changed, a stretch with these frames. @throws RangeError without one */
  undo(): Affected[];
  /** Reverts the last `undo`. @returns as `undo`. @throws RangeError without one */
  redo(): Affected[];
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
        const rewritten = frame && change(frame);
        if (!rewritten || rewritten === frame) continue;
        changed++;
        put({ ...rewritten, objects: byId(rewritten.objects) });
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
          objects: withoutOldOverlaps(objects.filter(isOther)),
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
    undo: () => changedObjects(versions.undo()),
    redo: () => changedObjects(versions.redo()),
    clear: versions.clear,
  };
}

/** The objects whose masks differ before and after, by ascending id. */
function changedObjects(changes: readonly Change<StoredFrame>[]): Affected[] {
  const affected = new Map<number, Affected>();
  for (const { key, before, after } of changes) {
    const masks = (frame: StoredFrame | undefined) =>
      new Map(frame?.objects.map(({ objectId, mask }) => [objectId, mask.counts]));
    const [old, now] = [masks(before), masks(after)];
    for (const objectId of new Set([...old.keys(), ...now.keys()])) {
      if (old.get(objectId) === now.get(objectId)) continue;
      const { first, last } = affected.get(objectId) ?? { first: key, last: key };
      affected.set(objectId, { objectId, first: Math.min(first, key), last: Math.max(last, key) });
    }
  }
  return [...affected.values()].sort((a, b) => (a.objectId as number) - (b.objectId as number));
}

const byId = <T extends { readonly objectId: number }>(objects: readonly T[]) =>
  [...objects].sort((a, b) => a.objectId - b.objectId);
