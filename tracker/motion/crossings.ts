/**
 * Crossings of look-alikes: objects of one concept that touch.
 *
 * While look-alikes overlap, a single frame does not show which mask belongs to which object. Each object of a crossing
 * therefore has an anchor: its motion before the contact. After the objects have separated, the masks are assigned to the
 * objects whose anchors predict them best. This may swap the masks of two objects.
 */
import { type BoxCxcywh, xyxyToCxcywh } from "../../detector/geometry.js";
import type { MaskExtent } from "../../detector/mask-bits.js";
import { assignBest } from "../assignment.js";
import { CONTEST_FRAMES } from "./association.js";
import { COAST_FRAMES, framesUnseen, inContact, type Motion, predict } from "./motion-model.js";

export interface Crossing {
  /** The motion of each object before the contact, by object id. */
  anchors: ReadonlyMap<number, Motion>;
  /** The frame of the first contact. */
  since: number;
  /** An object was hidden, lost or contested since the first contact. Masks are swapped only in this case. */
  uncertain: boolean;
}

/** An object on this frame as crossings use it. */
export interface Participant {
  id: number;
  /** Frames since it was created. */
  age: number;
  /** Only objects of the same group are look-alikes. */
  group: number | null;
  /** As of the previous frame. */
  motion: Motion | null;
  /** The extent of its mask; null: the mask is empty. */
  extent: MaskExtent | null;
  /** Its mask may belong to another object. */
  unsure: boolean;
}

/**
 * Improvement of the total fit, in object sizes, from which masks are swapped. Higher: fewer swaps. Lower: the predicted
 * motion determines the ids more often.
 */
const SWAP_LEAD = 0.5;

/**
 * Weight of appearance (cosine of object pointers) in the fit, in object sizes. Higher: objects that turn back keep their
 * ids. Lower: the fit depends more on motion.
 */
const APPEARANCE_WEIGHT = 1;

export interface CrossingResolution {
  crossings: Crossing[];
  /** For each object with a wrong mask on this frame, by id: the id of the object that has its mask. */
  swaps: Map<number, number>;
  /** Anchors of the objects in `swaps`; their motion restarts from them. */
  anchors: Map<number, Motion>;
  /** Ids of objects that were created during a crossing and are duplicates of an older object in it. */
  duplicates: number[];
}

/**
 * Updates the crossings with this frame and resolves those whose objects have separated.
 * @param similarity appearance similarity, -1..1, between object `seen` on this frame and object `id` on its first frame
 */
export function resolveCrossings(
  crossings: readonly Crossing[],
  participants: readonly Participant[],
  frameIndex: number,
  similarity: (id: number, seen: number) => number,
): CrossingResolution {
  const byId = new Map(participants.map((participant) => [participant.id, participant]));
  const touching = touchingPairs(participants, frameIndex);
  const swaps = new Map<number, number>();
  const anchors = new Map<number, Motion>();
  const duplicates: number[] = [];
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
    // A hidden object may still be behind a visible one. Such a crossing can be resolved, but it stays open.
    const apart = inside.every(([a, b]) => a.extent === null || b.extent === null);
    const resolved =
      uncertain && apart ? resolve(current, byId, frameIndex, similarity) : new Map<number, number>();
    if (resolved.size === 0 && inside.length > 0) kept.push(current);
    for (const [id, source] of resolved) {
      swaps.set(id, source);
      anchors.set(id, crossing.anchors.get(id) as Motion);
      if (isNewcomer(crossing, byId.get(id), frameIndex) && !byId.get(source)?.extent) duplicates.push(id);
    }
  }
  return { crossings: kept, swaps, anchors, duplicates };
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

/** The box of the mask. Without a mask, the predicted box, for {@link CONTEST_FRAMES} after the last observation. */
function placeOf({ extent, motion }: Participant, frameIndex: number): BoxCxcywh | null {
  if (extent) return xyxyToCxcywh(extent.box);
  if (!motion || framesUnseen(motion, frameIndex) > CONTEST_FRAMES) return null;
  return predict(motion, frameIndex);
}

/**
 * Adds touching pairs to the crossings and joins crossings that share objects. The anchor of a new member is its current
 * motion.
 */
function joinCrossings(
  crossings: readonly Crossing[],
  touching: readonly [Participant, Participant][],
  byId: ReadonlyMap<number, Participant>,
  frameIndex: number,
): Crossing[] {
  let current = [...crossings];
  for (const pair of touching) {
    const joined = current.filter(({ anchors }) => pair.some(({ id }) => anchors.has(id)));
    const anchors = new Map(joined.flatMap((crossing) => [...crossing.anchors]));
    for (const { id } of pair) {
      const motion = byId.get(id)?.motion;
      if (!anchors.has(id) && motion) anchors.set(id, motion);
    }
    current = [
      ...current.filter((crossing) => !joined.includes(crossing)),
      {
        anchors,
        since: joined[0]?.since ?? frameIndex,
        uncertain: joined.some(({ uncertain }) => uncertain),
      },
    ];
  }
  return current;
}

/**
 * Finds the assignment of masks to objects that fits the anchors best. It is used only if it fits clearly better than the
 * current one; see {@link SWAP_LEAD}.
 * @returns for each swapped object, by id: the id of the object that has its mask
 */
function resolve(
  crossing: Crossing,
  byId: ReadonlyMap<number, Participant>,
  frameIndex: number,
  similarity: (id: number, seen: number) => number,
): Map<number, number> {
  const ids = [...crossing.anchors.keys()];
  const seen = ids.filter((id) => byId.get(id)?.extent);
  // FAR makes every fit positive, so that every visible mask is assigned.
  const fit = ids.map((id) =>
    seen.map((other) => {
      const anchor = crossing.anchors.get(id) as Motion;
      const late = isNewcomer(crossing, byId.get(id), frameIndex) ? LATE : 0;
      const [cx, cy, width, height] = predict(anchor, frameIndex);
      const { centre } = (byId.get(other) as Participant).extent as MaskExtent;
      const away = Math.hypot(centre[0] - cx, centre[1] - cy) / Math.max(Math.hypot(width, height), 1e-6);
      return FAR - late - Math.min(away, FAR - 3) + APPEARANCE_WEIGHT * similarity(id, other);
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

/** Whether an object was created after the first contact. It may be a duplicate of an older object in the crossing. */
function isNewcomer({ since }: Crossing, participant: Participant | undefined, frameIndex: number): boolean {
  return participant !== undefined && participant.age < Math.abs(frameIndex - since);
}

/** Subtracted from the fit of such an object, in object sizes. */
const LATE = 1;

/** Larger than any distance within a crossing, in object sizes. */
const FAR = 20;
