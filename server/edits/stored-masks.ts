/** Reads stored masks for edits, and reports missing ones. */
import { ProtocolError, uniteMasks } from "../../protocol/index.js";
import type { ObjectOutput } from "../engine/index.js";
import type { ResultsStore } from "../results/store.js";
import type { FrameStretch } from "../results/stored-frame.js";

type Store = Pick<ResultsStore, "get" | "object" | "frames">;

/** A mask of an object on a frame, as it is locked. */
export type StoredMask = Pick<ObjectOutput, "objectId" | "mask" | "prob"> & { frameIndex: number };

/**
 * The masks of a range of frames that are to be locked.
 * @param objectId undefined: all objects
 * @throws ProtocolError mask_not_found for the first frame without a stored mask
 */
export function masksToLock(
  store: Store,
  objectId: number | undefined,
  { first, last }: FrameStretch,
): StoredMask[] {
  const masks: StoredMask[] = [];
  for (let frameIndex = first; frameIndex <= last; frameIndex++) {
    const objects = store.get(frameIndex)?.objects;
    const chosen =
      objectId === undefined ? objects : objects?.filter((object) => object.objectId === objectId);
    if (!chosen || (objectId !== undefined && chosen.length === 0)) throw missing(objectId, frameIndex);
    for (const { objectId: id, mask, prob } of chosen) masks.push({ objectId: id, frameIndex, mask, prob });
  }
  return masks;
}

function missing(objectId: number | undefined, frameIndex: number): ProtocolError {
  const expected =
    objectId === undefined
      ? `a stored result of each frame, got none of frame ${frameIndex}`
      : `a stored mask of object ${objectId} on each frame, got none on frame ${frameIndex}`;
  const field = "first_frame_index";
  return new ProtocolError("mask_not_found", `${field}: expected ${expected}`, field);
}

/** The first stored frame of a stretch, or the last one, on which an object has a mask. */
export function findMask(
  store: Store,
  objectId: number,
  stretch: FrameStretch,
  end: "first" | "last",
): StoredMask | undefined {
  const frames = store.frames(stretch);
  if (end === "last") frames.reverse();
  for (const frameIndex of frames) {
    const object = store.object(frameIndex, objectId);
    if (object) return { objectId, frameIndex, mask: object.mask, prob: object.prob };
  }
  return undefined;
}

/**
 * The stored frames outside of a stretch on which objects have masks.
 * @returns for an object and a frame of the stretch: the nearest of these frames; null: none
 */
export function nearestSight(store: Store, { first, last }: FrameStretch) {
  const ends = new Map<number, number[]>();
  const endsOf = (objectId: number) => {
    const before = findMask(store, objectId, { first: 0, last: first - 1 }, "last");
    const after = findMask(store, objectId, { first: last + 1, last: Number.POSITIVE_INFINITY }, "first");
    return [before, after].flatMap((found) => (found ? [found.frameIndex] : []));
  };
  return (objectId: number, frameIndex: number): number | null => {
    const known = ends.get(objectId) ?? endsOf(objectId);
    ends.set(objectId, known);
    const [nearest = null] = [...known].sort((a, b) => Math.abs(a - frameIndex) - Math.abs(b - frameIndex));
    return nearest;
  };
}

/** The stored frames on which at least two of the objects have a mask, with their united mask. */
export function commonMasks(
  store: Store,
  objectIds: readonly number[],
): Map<number, Pick<StoredMask, "mask" | "prob">> {
  const ids = new Set(objectIds);
  const united = new Map<number, Pick<StoredMask, "mask" | "prob">>();
  for (const frameIndex of store.frames()) {
    const own = (store.get(frameIndex)?.objects ?? []).filter(({ objectId }) => ids.has(objectId));
    if (own.length > 1) united.set(frameIndex, uniteOutputs(own));
  }
  return united;
}

/** Several results of a frame as one, of the first object. */
export function uniteOutputs(objects: readonly ObjectOutput[]): ObjectOutput {
  const [first] = objects as [ObjectOutput];
  const mask = uniteMasks(objects.map((object) => object.mask));
  const [x0, y0] = ([0, 1] as const).map((axis) =>
    Math.min(...objects.map(({ boxXywh }) => boxXywh[axis])),
  ) as [number, number];
  const edge = (axis: 0 | 1) =>
    Math.max(...objects.map(({ boxXywh }) => boxXywh[axis] + boxXywh[axis === 0 ? 2 : 3]));
  return {
    ...first,
    prob: Math.max(...objects.map(({ prob }) => prob)),
    boxXywh: [x0, y0, edge(0) - x0, edge(1) - y0],
    mask,
    ...uniteJudgements(objects),
  };
}

/** The worst judgement. The objects overlap with each other no longer. */
function uniteJudgements(objects: readonly ObjectOutput[]): Pick<ObjectOutput, "judged"> {
  const judged = objects.flatMap((object) => object.judged ?? []);
  const [worst] = [...judged].sort((a, b) => a.score - b.score);
  if (!worst) return {};
  const suspect = judged.map((one) => one.suspect).find((reason) => reason && reason !== "overlap") ?? null;
  return { judged: { ...worst, prompt: judged[0]?.prompt ?? worst.prompt, suspect } };
}
