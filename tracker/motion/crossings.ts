/**
 * Look-alikes that touch become a knot: while they cover each other nobody can say for sure which mask is whose, and a
 * single frame's decision is a guess. So each keeps an anchor, its motion from before they touched, and when they come
 * apart again the anchors decide who is who. That may swap them: what one was taken for is then the other.
 */
import { type BoxCxcywh, xyxyToCxcywh } from "../../detector/geometry.js";
import type { MaskExtent } from "../../detector/mask-bits.js";
import { assignBest } from "../assignment.js";
import { CONTEST_FRAMES } from "./association.js";
import { COAST_FRAMES, framesUnseen, inContact, type Motion, predict } from "./motion-model.js";

export interface Crossing {
  /** By object id. */
  anchors: ReadonlyMap<number, Motion>;
  /** The frame on which it was tied. */
  since: number;
  /** Someone was hidden, lost or contested since it was tied: only then is a swap possible. */
  uncertain: boolean;
}

/** An object on this frame, as far as knots look at it. */
export interface Participant {
  id: number;
  /** Frames it has been followed for. */
  age: number;
  /** Only objects of one group look alike. */
  group: number | null;
  /** Before this frame. */
  motion: Motion | null;
  /** Where its mask is now; null while it has none. */
  extent: MaskExtent | null;
  /** Its mask might be another object's. */
  unsure: boolean;
}

/**
 * How much better, in object sizes, look-alikes that come apart must fit their earlier motion when swapped. Higher: fewer
 * swaps. Lower: ids follow the motion more readily.
 */
const SWAP_LEAD = 0.5;

/**
 * Weight of appearance (cosine of object pointers) in that decision, in object sizes. Higher: objects that turn back keep
 * their ids. Lower: motion decides.
 */
const APPEARANCE_WEIGHT = 1;

export interface CrossingResolution {
  crossings: Crossing[];
  /** For each object that is someone else after all: the object whose mask on this frame is really its own. */
  swaps: Map<number, number>;
  /** Anchors of the objects in `swaps`: their motion goes on from there. */
  anchors: Map<number, Motion>;
  /** Objects born within a knot that turned out to be somebody who was in it before. */
  ghosts: number[];
}

/**
 * @param looksLike how much the mask that object `seen` has now looks like object `id` used to, -1..1
 */
export function resolveCrossings(
  crossings: readonly Crossing[],
  participants: readonly Participant[],
  frameIndex: number,
  looksLike: (id: number, seen: number) => number,
): CrossingResolution {
  const byId = new Map(participants.map((participant) => [participant.id, participant]));
  const touching = touchingPairs(participants, frameIndex);
  const swaps = new Map<number, number>();
  const anchors = new Map<number, Motion>();
  const ghosts: number[] = [];
  const kept: Crossing[] = [];
  for (const crossing of joinCrossings(crossings, touching, byId, frameIndex)) {
    const members = [...crossing.anchors.keys()].flatMap((id) => byId.get(id) ?? []);
    const uncertain = crossing.uncertain || members.some(({ extent, unsure }) => extent === null || unsure);
    const fresh = [...crossing.anchors].filter(
      ([id, anchor]) => byId.has(id) && framesUnseen(anchor, frameIndex) <= COAST_FRAMES,
    );
    if (fresh.length < 2) continue;
    const inside = touching.filter(([a, b]) => crossing.anchors.has(a.id) && crossing.anchors.has(b.id));
    const current = { ...crossing, anchors: new Map(fresh), uncertain };
    // Someone hidden may still be behind someone seen; that is no reason to wait, only to stay alert.
    const apart = inside.every(([a, b]) => a.extent === null || b.extent === null);
    const resolved =
      uncertain && apart ? resolve(current, byId, frameIndex, looksLike) : new Map<number, number>();
    if (resolved.size === 0 && inside.length > 0) kept.push(current);
    for (const [id, source] of resolved) {
      swaps.set(id, source);
      anchors.set(id, crossing.anchors.get(id) as Motion);
      if (isNewcomer(crossing, byId.get(id), frameIndex) && !byId.get(source)?.extent) ghosts.push(id);
    }
  }
  return { crossings: kept, swaps, anchors, ghosts };
}

function touchingPairs(
  participants: readonly Participant[],
  frameIndex: number,
): [Participant, Participant][] {
  const places = participants.map((participant) => placeOf(participant, frameIndex));
  const pairs: [Participant, Participant][] = [];
  participants.forEach((a, i) => {
    for (let j = i + 1; j < participants.length; j++) {
      const b = participants[j] as Participant;
      const [here, there] = [places[i], places[j]];
      if (a.group === b.group && here && there && inContact(here, there)) pairs.push([a, b]);
    }
  });
  return pairs;
}

/** Where it is, or for a short while where it should be. */
function placeOf({ extent, motion }: Participant, frameIndex: number): BoxCxcywh | null {
  if (extent) return xyxyToCxcywh(extent.box);
  if (!motion || framesUnseen(motion, frameIndex) > CONTEST_FRAMES) return null;
  return predict(motion, frameIndex);
}

/** The knots after everyone who touches has joined; whoever is new to one brings the motion it arrived with. */
function joinCrossings(
  crossings: readonly Crossing[],
  touching: readonly [Participant, Participant][],
  byId: ReadonlyMap<number, Participant>,
  frameIndex: number,
): Crossing[] {
  let tied = [...crossings];
  for (const pair of touching) {
    const joined = tied.filter(({ anchors }) => pair.some(({ id }) => anchors.has(id)));
    const anchors = new Map(joined.flatMap((crossing) => [...crossing.anchors]));
    for (const { id } of pair) {
      const motion = byId.get(id)?.motion;
      if (!anchors.has(id) && motion) anchors.set(id, motion);
    }
    tied = [
      ...tied.filter((crossing) => !joined.includes(crossing)),
      {
        anchors,
        since: joined[0]?.since ?? frameIndex,
        uncertain: joined.some(({ uncertain }) => uncertain),
      },
    ];
  }
  return tied;
}

/** Who is who, now that they are apart: the pairing that fits the anchors best, if it is clearly better than the present one. */
function resolve(
  crossing: Crossing,
  byId: ReadonlyMap<number, Participant>,
  frameIndex: number,
  looksLike: (id: number, seen: number) => number,
): Map<number, number> {
  const ids = [...crossing.anchors.keys()];
  const seen = ids.filter((id) => byId.get(id)?.extent);
  // A constant keeps every fit positive, so that everyone seen is given to somebody.
  const fit = ids.map((id) =>
    seen.map((other) => {
      const anchor = crossing.anchors.get(id) as Motion;
      const late = isNewcomer(crossing, byId.get(id), frameIndex) ? LATE : 0;
      const [cx, cy, width, height] = predict(anchor, frameIndex);
      const { centre } = (byId.get(other) as Participant).extent as MaskExtent;
      const away = Math.hypot(centre[0] - cx, centre[1] - cy) / Math.max(Math.hypot(width, height), 1e-6);
      return FAR - late - Math.min(away, FAR - 3) + APPEARANCE_WEIGHT * looksLike(id, other);
    }),
  );
  const best = assignBest(fit);
  const total = (column: (row: number) => number) =>
    ids.reduce((sum, _, row) => sum + (fit[row]?.[column(row)] ?? 0), 0);
  const present = total((row) => seen.indexOf(ids[row] as number));
  if (total((row) => best[row] ?? -1) - present < SWAP_LEAD) return new Map();
  const swaps = new Map<number, number>();
  const unseen = ids.filter((id) => !seen.includes(id));
  ids.forEach((id, row) => {
    const source = seen[best[row] ?? -1] ?? (seen.includes(id) ? unseen.pop() : undefined);
    if (source !== undefined && source !== id) swaps.set(id, source);
  });
  return swaps;
}

/** Born after the knot was tied, perhaps because somebody in it was not recognised. */
function isNewcomer({ since }: Crossing, participant: Participant | undefined, frameIndex: number): boolean {
  return participant !== undefined && participant.age < Math.abs(frameIndex - since);
}

/** Handicap of such an object, in sizes. */
const LATE = 1;

/** More sizes than anything moves within a knot. */
const FAR = 20;
