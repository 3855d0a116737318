/**
 * SAM 3's hot start: objects that turn out to be ghosts or duplicates while they are young are removed, and because the
 * stream lags by as many frames, nobody ever sees them. Beside it the keep-alive credit, which outlives the probation.
 *
 * Source: facebookresearch/sam3:sam3/model/sam3_video_base.py (hot-start bookkeeping).
 */
import type { TrackerPolicy } from "../policy.js";

/** Never changed in place. Counts are cumulative: a supported frame does not take an unsupported one back. */
export interface HotStart {
  /** First frame of each detected object; objects of the user's have none and are never on probation. */
  firstFrame: ReadonlyMap<number, number>;
  /** Frames without support, by id. */
  unmatched: ReadonlyMap<number, number>;
  keepAlive: ReadonlyMap<number, number>;
  /** For each pair of an older object and a younger, how often they shared a detection. */
  duplicates: ReadonlyMap<string, { first: number; other: number; frames: number }>;
  removed: ReadonlySet<number>;
}

export const emptyHotStart: HotStart = {
  firstFrame: new Map(),
  unmatched: new Map(),
  keepAlive: new Map(),
  duplicates: new Map(),
  removed: new Set(),
};

/** What a frame said about who is supported; ids throughout. */
export interface SupportFacts {
  frameIndex: number;
  reverse: boolean;
  born: readonly number[];
  /** For each detection the objects it overlaps. */
  matched: readonly (readonly number[])[];
  unmatched: readonly number[];
  empty: readonly number[];
}

export interface Verdict {
  hotStart: HotStart;
  /** Ids that end with this frame. */
  removed: Set<number>;
  /** Ids that are not shown on this frame. */
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

export function updateHotStart(before: HotStart, facts: SupportFacts, rules: HotStartRules): Verdict {
  const { frameIndex, reverse } = facts;
  const firstFrame = new Map(before.firstFrame);
  const unmatched = new Map(before.unmatched);
  const keepAlive = new Map(before.keepAlive);
  const removed = new Set<number>();
  const suppressed = new Set<number>();
  const horizon = reverse ? frameIndex + rules.hotstartDelay : frameIndex - rules.hotstartDelay;
  const isYoung = (id: number) => {
    const first = firstFrame.get(id);
    return first !== undefined && (reverse ? first < horizon : first > horizon);
  };
  const isGone = (id: number) => before.removed.has(id) || removed.has(id);
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
    if (isGone(id)) continue;
    if (frames >= rules.hotstartUnmatchThresh && isYoung(id)) removed.add(id);
    else if (credit(id) <= 0 && !rules.suppressUnmatchedOnlyWithinHotstart) suppressed.add(id);
  }

  const duplicates = countDuplicates(before.duplicates, facts.matched, firstFrame, reverse);
  for (const { other, frames } of duplicates.values()) {
    if (!isGone(other) && frames >= rules.hotstartDupThresh && isYoung(other)) removed.add(other);
  }
  const gone = new Set([...before.removed, ...removed]);
  return { hotStart: { firstFrame, unmatched, keepAlive, duplicates, removed: gone }, removed, suppressed };
}

/** Of objects that share a detection, all but the one that came first in the direction of travel are perhaps duplicates. */
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

/** A new pass: nothing is held against anybody any more; who is how old and who was removed stays known. */
export function resetCounters(hotStart: HotStart): HotStart {
  return { ...hotStart, unmatched: new Map(), duplicates: new Map() };
}

/**
 * The user spoke up for an object: it is back.
 * @param forGood it is never on probation again
 */
export function unflag(hotStart: HotStart, id: number, forGood: boolean): HotStart {
  const removed = new Set(hotStart.removed);
  const firstFrame = new Map(hotStart.firstFrame);
  removed.delete(id);
  if (forGood) firstFrame.delete(id);
  return { ...hotStart, removed, firstFrame };
}

/** New objects that a prompt made: their probation begins. */
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
