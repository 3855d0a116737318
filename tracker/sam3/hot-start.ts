/**
 * SAM 3's hot start: an object that proves to be a false positive or a duplicate in its first frames is removed. The output
 * is delayed by as many frames, so the object is never shown. The keep-alive credit of an object also applies after its hot
 * start.
 *
 * Source: facebookresearch/sam3:sam3/model/sam3_video_base.py (hot-start bookkeeping).
 */
import type { TrackerPolicy } from "../policy.js";

/**
 * Records of objects, by id. Never changed in place. Counts are cumulative: a supported frame does not cancel an
 * unsupported one.
 */
export interface HotStart {
  /** First frame of each detected object; objects created by clicks have none, and no hot start. */
  firstFrame: ReadonlyMap<number, number>;
  /** Number of unsupported frames of each object. */
  unmatched: ReadonlyMap<number, number>;
  /** Keep-alive credit of each object. */
  keepAlive: ReadonlyMap<number, number>;
  /** For each pair of an older and a younger object, the number of frames on which they shared a detection. */
  duplicates: ReadonlyMap<string, { first: number; other: number; frames: number }>;
  /** Objects that the hot start removed and whose records are still here; see {@link withoutRecords}. */
  removed: ReadonlySet<number>;
}

export const emptyHotStart: HotStart = {
  firstFrame: new Map(),
  unmatched: new Map(),
  keepAlive: new Map(),
  duplicates: new Map(),
  removed: new Set(),
};

/** The association on one frame; all numbers are object ids. */
export interface SupportFacts {
  frameIndex: number;
  reverse: boolean;
  /** Objects that start on this frame. */
  born: readonly number[];
  /** For each detection, the objects that it overlaps. */
  matched: readonly (readonly number[])[];
  /** Objects with a mask that no detection supports. */
  unmatched: readonly number[];
  /** Objects with an empty mask. */
  empty: readonly number[];
}

export interface HotStartDecision {
  hotStart: HotStart;
  /** Ids of the objects that are removed at the end of this frame. */
  removed: Set<number>;
  /** Ids of the objects that are hidden on this frame. */
  suppressed: Set<number>;
}

type HotStartRules = Pick<
  TrackerPolicy["life"],
  | "hotstartDelay"
  | "hotstartUnmatchThresh"
  | "hotstartDupThresh"
  | "suppressUnmatchedOnlyWithinHotstart"
  | "initTrkKeepAlive"
  | "maxTrkKeepAlive"
  | "minTrkKeepAlive"
  | "decreaseTrkKeepAliveForEmptyMasklets"
>;

/** Updates the hot start with one frame, and decides which objects are removed or hidden. */
export function updateHotStart(
  before: HotStart,
  facts: SupportFacts,
  rules: HotStartRules,
): HotStartDecision {
  const { frameIndex, reverse } = facts;
  const firstFrame = new Map(before.firstFrame);
  const unmatched = new Map(before.unmatched);
  const keepAlive = new Map(before.keepAlive);
  const removed = new Set<number>();
  const suppressed = new Set<number>();
  const horizon = reverse ? frameIndex + rules.hotstartDelay : frameIndex - rules.hotstartDelay;
  const isInHotStart = (id: number) => {
    const first = firstFrame.get(id);
    return first !== undefined && (reverse ? first < horizon : first > horizon);
  };
  const isRemoved = (id: number) => before.removed.has(id) || removed.has(id);
  const credit = (id: number) => keepAlive.get(id) ?? rules.initTrkKeepAlive;
  const charge = (id: number) => keepAlive.set(id, Math.max(rules.minTrkKeepAlive, credit(id) - 1));

  for (const id of facts.born) {
    if (!firstFrame.has(id)) firstFrame.set(id, frameIndex);
    keepAlive.set(id, rules.initTrkKeepAlive);
  }
  for (const id of new Set(facts.matched.flat()))
    keepAlive.set(id, Math.min(rules.maxTrkKeepAlive, credit(id) + 1));
  for (const id of facts.unmatched) {
    unmatched.set(id, (unmatched.get(id) ?? 0) + 1);
    charge(id);
  }
  if (rules.decreaseTrkKeepAliveForEmptyMasklets) for (const id of facts.empty) charge(id);

  for (const [id, frames] of unmatched) {
    if (isRemoved(id)) continue;
    if (frames >= rules.hotstartUnmatchThresh && isInHotStart(id)) removed.add(id);
    else if (credit(id) <= 0 && !rules.suppressUnmatchedOnlyWithinHotstart) suppressed.add(id);
  }

  const duplicates = countDuplicates(before.duplicates, facts.matched, firstFrame, reverse);
  for (const { other, frames } of duplicates.values()) {
    if (!isRemoved(other) && frames >= rules.hotstartDupThresh && isInHotStart(other)) removed.add(other);
  }
  const allRemoved = new Set([...before.removed, ...removed]);
  return {
    hotStart: { firstFrame, unmatched, keepAlive, duplicates, removed: allRemoved },
    removed,
    suppressed,
  };
}

/** Drops every record of the given objects. */
export function withoutRecords(hotStart: HotStart, isDropped: (id: number) => boolean): HotStart {
  const kept = (records: ReadonlyMap<number, number>) =>
    new Map([...records].filter(([id]) => !isDropped(id)));
  const duplicates = [...hotStart.duplicates].filter(
    ([, { first, other }]) => !isDropped(first) && !isDropped(other),
  );
  return {
    firstFrame: kept(hotStart.firstFrame),
    unmatched: kept(hotStart.unmatched),
    keepAlive: kept(hotStart.keepAlive),
    duplicates: new Map(duplicates),
    removed: new Set([...hotStart.removed].filter((id) => !isDropped(id))),
  };
}

/** Of the objects that share a detection, all but the oldest in the direction of travel may be duplicates. */
function countDuplicates(
  before: HotStart["duplicates"],
  matched: SupportFacts["matched"],
  firstFrame: ReadonlyMap<number, number>,
  reverse: boolean,
): Map<string, { first: number; other: number; frames: number }> {
  const duplicates = new Map(before);
  const order = (id: number) => (firstFrame.get(id) ?? Number.NEGATIVE_INFINITY) * (reverse ? -1 : 1);
  for (const ids of matched) {
    if (ids.length < 2) continue;
    const first = ids.reduce((oldest, id) => (order(id) < order(oldest) ? id : oldest));
    for (const other of ids) {
      if (other === first) continue;
      const key = `${first}/${other}`;
      duplicates.set(key, { first, other, frames: (duplicates.get(key)?.frames ?? 0) + 1 });
    }
  }
  return duplicates;
}

/** Resets the counters at the start of a pass; the first frames and the credit stay. */
export function resetCounters(hotStart: HotStart): HotStart {
  return { ...hotStart, unmatched: new Map(), duplicates: new Map() };
}

/** Ends the hot start of an object that the user confirmed. */
export function endHotStart(hotStart: HotStart, id: number): HotStart {
  const firstFrame = new Map(hotStart.firstFrame);
  firstFrame.delete(id);
  return { ...hotStart, firstFrame };
}

/** Starts the hot start of objects that a prompt created. */
export function startHotStart(
  hotStart: HotStart,
  ids: readonly number[],
  frameIndex: number,
  { initTrkKeepAlive }: Pick<TrackerPolicy["life"], "initTrkKeepAlive">,
): HotStart {
  return {
    ...hotStart,
    firstFrame: new Map([...hotStart.firstFrame, ...ids.map((id) => [id, frameIndex] as const)]),
    keepAlive: new Map([...hotStart.keepAlive, ...ids.map((id) => [id, initTrkKeepAlive] as const)]),
  };
}
