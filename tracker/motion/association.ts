/**
 * Associates detections with objects, one to one.
 *
 * The first round assigns all detections at once, by mask overlap and motion. Overlap alone can swap the ids of look-alikes
 * (objects of one concept) that cross, because both tracked masks then cover the object in front. The second round relinks
 * lost objects with nearby detections, so that an object that reappears keeps its id. The remaining detections may be new
 * objects.
 */
import { type MaskBits, type MaskExtent, maskIou } from "../../detector/mask-bits.js";
import { assignBest } from "../assignment.js";
import type { TrackerPolicy } from "../policy.js";
import {
  emergenceAgreement,
  extentSize,
  framesUnseen,
  type Motion,
  motionAgreement,
  predict,
  shareKept,
} from "./motion-model.js";

/** An object as association uses it. */
export interface TrackView {
  conceptKey: number | null;
  /** The tracked mask on this frame; may be empty. */
  bits: MaskBits;
  /** null: the object has not been located in this pass. */
  motion: Motion | null;
  /** It had no mask on the previous frame. */
  lost: boolean;
}

/** A detection as association uses it. */
export interface DetectionView {
  concepts: ReadonlySet<number>;
  bits: MaskBits;
  extent: MaskExtent;
  /** It overlaps an object owned by the user. It matches only an object that agrees in both mask and motion. */
  claimed: boolean;
}

export interface Match {
  /** Index into the tracks. */
  track: number;
  /** Index into the detections. */
  detection: number;
  /** IoU of the tracked mask and the detection. */
  maskIou: number;
  /** The detection matches another, unassigned object almost as well. Its mask is used, but does not update the motion. */
  contested: boolean;
}

export interface Association {
  matches: Match[];
  /** Indices of the detections without an object. */
  unmatched: number[];
}

export interface AssociationRules extends Pick<TrackerPolicy["associate"], "assocIouThresh"> {
  /** `detect.sameObjectIou` of the policy. */
  sameObjectIou: number;
}

/**
 * Weight of motion in the affinity, 0..1; the rest is mask overlap. Higher: look-alikes keep their ids when they cross.
 * Lower: objects keep their ids at sudden turns.
 */
const MOTION_WEIGHT = 0.5;

/**
 * Minimum motion agreement, 0..1, for a detection to match an object whose mask it does not overlap. Higher: fewer matches
 * by motion alone. Lower: ids change to neighbouring objects more often.
 */
const MIN_MOTION_AGREEMENT = 0.5;

/**
 * Difference of two affinities below which a match is contested. Higher: the motion is not updated on more frames. Lower: on
 * fewer.
 */
const CLEAR_LEAD = 0.1;

/**
 * Number of frames, after its last observation, during which an object can contest detections and touch its neighbours.
 * Higher: longer crossings are resolved. Lower: motion adapts sooner after an object disappears.
 */
export const CONTEST_FRAMES = 30;

/**
 * Subtracted from the affinity of a lost object. Higher: visible objects keep their detections. Lower: lost objects are
 * found again sooner.
 */
const LOST_HANDICAP = 0.05;

/**
 * Frames for which a lost object can be relinked by its motion. Higher: longer gaps are bridged. Lower: fewer id switches.
 */
export const RELINK_FRAMES = 60;

/**
 * Search radius of relinking around the predicted centre, in object sizes. Higher: sudden turns are bridged. Lower: new
 * objects inherit old ids less often.
 */
const RELINK_SIZES = 1.5;

/**
 * Maximum growth of a lost object until it is relinked, as a ratio of areas. Higher: more objects that come closer are
 * relinked. Lower: fewer id switches.
 */
const RELINK_SIZE_RATIO = 3;

/** @returns at most one match per track and per detection, with indices into the arguments */
export function associate(
  tracks: readonly TrackView[],
  detections: readonly DetectionView[],
  frameIndex: number,
  rules: AssociationRules,
): Association {
  const pairs = tracks.map((track) =>
    detections.map((detection) => affinityOf(track, detection, frameIndex, rules)),
  );
  // Squared weights prefer one good pair to two poor ones.
  const first = assignBest(pairs.map((row) => row.map(({ affinity }) => affinity ** 2)));
  const matches: Match[] = [];
  const taken = new Set<number>();
  first.forEach((detection, track) => {
    if (detection < 0) return;
    taken.add(detection);
    const pair = pairs[track]?.[detection] as Pair;
    const contested = tracks.some(
      (other, rival) =>
        rival !== track &&
        first[rival] === -1 &&
        contests(other, frameIndex) &&
        isRival(pair, pairs[rival]?.[detection] as Pair),
    );
    matches.push({ track, detection, maskIou: pair.maskIou, contested });
  });

  const waiting = tracks.map((_, track) => track).filter((track) => first[track] === -1);
  const left = detections.map((_, detection) => detection).filter((detection) => !taken.has(detection));
  const second = assignBest(
    waiting.map((track) =>
      left.map((detection) =>
        relinkWeight(tracks[track] as TrackView, detections[detection] as DetectionView, frameIndex),
      ),
    ),
  );
  second.forEach((column, row) => {
    const detection = left[column];
    const track = waiting[row];
    if (detection === undefined || track === undefined) return;
    taken.add(detection);
    matches.push({ track, detection, maskIou: pairs[track]?.[detection]?.maskIou ?? 0, contested: false });
  });
  return { matches, unmatched: left.filter((detection) => !taken.has(detection)) };
}

interface Pair {
  maskIou: number;
  /** 0: the pair cannot be associated. */
  affinity: number;
}

function affinityOf(
  track: TrackView,
  detection: DetectionView,
  frameIndex: number,
  { assocIouThresh, sameObjectIou }: AssociationRules,
): Pair {
  const iou = maskIou(track.bits, detection.bits);
  // A detection of another concept supports an object only where the two masks are clearly the same object.
  if (!isOfConcept(detection, track) && iou < sameObjectIou) return { maskIou: iou, affinity: 0 };
  const expected = expectedMotion(track, frameIndex);
  const agreement = expected ? agreementOf(expected, track.lost, detection.extent, frameIndex) : 0;
  const isCandidate = iou >= assocIouThresh || agreement >= MIN_MOTION_AGREEMENT;
  // A detection on an object owned by the user belongs to another object only if that object is visible and both its mask
  // and its motion agree. The track of a lost object often covers a look-alike.
  const isReserved =
    detection.claimed && (track.lost || iou < assocIouThresh || agreement < MIN_MOTION_AGREEMENT);
  if (!isCandidate || isReserved) return { maskIou: iou, affinity: 0 };
  const affinity = expected ? (1 - MOTION_WEIGHT) * iou + MOTION_WEIGHT * agreement : iou;
  return { maskIou: iou, affinity: Math.max(0, affinity - (track.lost ? LOST_HANDICAP : 0)) };
}

function isOfConcept({ concepts }: DetectionView, { conceptKey }: TrackView): boolean {
  return conceptKey !== null && concepts.has(conceptKey);
}

/** Motion agreement. For a lost object, the detection may also be the part of it that reappears first. */
function agreementOf(motion: Motion, lost: boolean, extent: MaskExtent, frameIndex: number): number {
  const whole = motionAgreement(motion, extent, frameIndex);
  if (!lost) return whole;
  return Math.max(whole, EMERGENCE_WEIGHT * emergenceAgreement(motion, extent, frameIndex));
}

/** Weight of the agreement with a part of the object, which is weaker evidence than the whole object. */
const EMERGENCE_WEIGHT = 0.7;

/** The motion of an object that was observed recently enough, otherwise null. */
function expectedMotion({ motion }: TrackView, frameIndex: number): Motion | null {
  return motion && framesUnseen(motion, frameIndex) <= RELINK_FRAMES ? motion : null;
}

function contests(track: TrackView, frameIndex: number): boolean {
  return track.motion !== null && framesUnseen(track.motion, frameIndex) <= CONTEST_FRAMES;
}

function isRival(winner: Pair, rival: Pair): boolean {
  return rival.affinity > 0 && winner.affinity - rival.affinity < CLEAR_LEAD;
}

/** 0: the detection cannot be the lost object. Otherwise larger for shorter distances from the predicted position. */
function relinkWeight(track: TrackView, detection: DetectionView, frameIndex: number): number {
  const motion = expectedMotion(track, frameIndex);
  if (!track.lost || !motion || detection.claimed || !isOfConcept(detection, track)) return 0;
  const own = extentSize(detection.extent);
  if (shareKept(motion.size, own) < 1 / RELINK_SIZE_RATIO) return 0;
  const [cx, cy, width, height] = predict(motion, frameIndex);
  const [x, y] = detection.extent.centre;
  // A small detection may be the part of the object that reappears first. It must be close to the predicted position.
  const share = 0.5 + 0.5 * shareKept(own, motion.size);
  const limit = RELINK_SIZES * share * Math.max(Math.hypot(width, height), Math.hypot(...own));
  return Math.max(0, 1 - Math.hypot(x - cx, y - cy) / limit);
}
