/**
 * SAM 3's association of detections with objects, by mask overlap alone. It is many-to-many: several detections can support
 * one object, and one detection can support several objects. A detection below one IoU threshold (`assocIouThresh`) is a new
 * object. An object below another one (`trkAssocIouThresh`) is unsupported.
 *
 * Source: facebookresearch/sam3:sam3/model/sam3_video_base.py (association of detections and masklets).
 */
import { type MaskBits, maskIou } from "../../detector/mask-bits.js";
import { assignBest } from "../assignment.js";
import type { Observation } from "../observation.js";
import type { TrackerPolicy } from "../policy.js";

/** An object on this frame, after tracking and cleaning. */
export interface OverlapTrack {
  id: number;
  /** Key of the concept that detected it; null for an object created by clicks or a box. */
  group: number | null;
  bits: MaskBits;
}

export function toTrack({ masklet, bits }: Observation): OverlapTrack {
  return { id: masklet.id, group: masklet.conceptKey, bits };
}

export interface OverlapDetection {
  concepts: ReadonlySet<number>;
  score: number;
  bits: MaskBits;
}

export interface OverlapRules {
  associate: Pick<
    TrackerPolicy["associate"],
    "assocIouThresh" | "trkAssocIouThresh" | "o2oMatchingMaskletsEnable"
  >;
  detect: Pick<TrackerPolicy["detect"], "newDetThresh" | "conceptsApart" | "sameObjectIou">;
  recondition: Pick<TrackerPolicy["recondition"], "highConfThresh" | "highIouThresh">;
}

export interface OverlapFindings {
  /** Indices of the detections that are new objects, in their order. */
  born: number[];
  /** Ids of the objects with a mask that no detection supports. */
  unmatched: number[];
  /** Ids of the objects with an empty mask. */
  empty: number[];
  /** For each detection, the ids of all objects that it overlaps. */
  matched: number[][];
  /** Objects with a confident detection of high IoU, by id: the index of that detection. */
  confirmed: Map<number, number>;
}

/**
 * @param prompted the detections are of a concept prompted on this frame. `newDetThresh` then does not apply, as in a session
 *   without objects.
 */
export function associateSam3(
  tracks: readonly OverlapTrack[],
  detections: readonly OverlapDetection[],
  { associate, detect, recondition }: OverlapRules,
  prompted = false,
): OverlapFindings {
  const overlap = detections.map((detection) => tracks.map((track) => maskIou(detection.bits, track.bits)));
  const isSameConcept = ({ concepts }: OverlapDetection, { group }: OverlapTrack) =>
    !detect.conceptsApart || group === null || concepts.has(group);
  const ious = detections.map((detection, d) =>
    tracks.map((track, t) => (isSameConcept(detection, track) ? (overlap[d]?.[t] ?? 0) : 0)),
  );
  const supported = associate.o2oMatchingMaskletsEnable ? bestPairs(ious) : ious;
  const isSupported = (t: number) =>
    supported.some((row) => (row[t] as number) >= associate.trkAssocIouThresh);
  const idsWhere = (test: (track: OverlapTrack, t: number) => boolean) =>
    tracks.filter(test).map(({ id }) => id);

  const minScore = tracks.length === 0 || prompted ? 0 : Math.fround(detect.newDetThresh);
  const isNew = detections.map(
    ({ score }, d) =>
      score >= minScore &&
      !(ious[d] ?? []).some((iou) => iou >= associate.assocIouThresh) &&
      !(detect.sameObjectIou > 0 && (overlap[d] ?? []).some((iou) => iou >= detect.sameObjectIou)),
  );
  const confirmed = new Map<number, number>();
  detections.forEach(({ score }, d) => {
    const row = ious[d] ?? [];
    const best = row.indexOf(Math.max(...row));
    const track = tracks[best];
    if (!track || isNew[d] || score < Math.fround(recondition.highConfThresh)) return;
    if ((row[best] as number) >= recondition.highIouThresh) confirmed.set(track.id, d);
  });
  return {
    born: isNew.flatMap((is, d) => (is ? [d] : [])),
    unmatched: idsWhere(({ bits }, t) => bits.area > 0 && !isSupported(t)),
    empty: idsWhere(({ bits }) => bits.area === 0),
    matched: ious.map((row) => idsWhere((_, t) => (row[t] as number) >= associate.assocIouThresh)),
    confirmed,
  };
}

/** Keeps the IoU of the pairs of the best one-to-one assignment, and sets all others to 0. */
function bestPairs(ious: readonly (readonly number[])[]): number[][] {
  const chosen = assignBest(ious);
  return ious.map((row, d) => row.map((iou, t) => (chosen[d] === t ? iou : 0)));
}
