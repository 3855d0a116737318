import { createHash } from "node:crypto";
import { FIXED_LIMITS } from "../protocol/index.js";
import type { StoredFrame } from "./results/stored-frame.js";

type Objects = StoredFrame["objects"];

/** Which masks a session has sent, as hashes, for `changed_only`. */
export interface SentMasks {
  /**
   * Records the objects of a frame as sent in this form, in place of an earlier record of the frame. Returns the ids of those
   * whose mask the earlier record has in the same form.
   */
  compare(frameIndex: number, objects: Objects, form: string): number[];
  clear(): void;
}

export function createSentMasks(limit: number = FIXED_LIMITS.rememberedMasks.value): SentMasks {
  /** By frame, the one written last at the end: object id → hash. */
  const frames = new Map<number, ReadonlyMap<number, string>>();
  let count = 0;

  function forget(frameIndex: number): void {
    count -= frames.get(frameIndex)?.size ?? 0;
    frames.delete(frameIndex);
  }

  return {
    compare(frameIndex, objects, form) {
      const before = frames.get(frameIndex);
      const now = new Map(objects.map(({ objectId, mask }) => [objectId, hashOf(`${form} ${mask.counts}`)]));
      forget(frameIndex);
      if (now.size > 0) frames.set(frameIndex, now);
      count += now.size;
      for (const oldest of frames.keys()) {
        if (count <= limit) break;
        forget(oldest);
      }
      return [...now].flatMap(([objectId, hash]) => (before?.get(objectId) === hash ? [objectId] : []));
    },
    clear() {
      frames.clear();
      count = 0;
    },
  };
}

/** 128 bits: two masks with one hash are not to be expected. */
function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("base64url").slice(0, 22);
}
