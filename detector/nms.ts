/** Removes duplicate detections within a concept, and merges those of different concepts. */
import { coveredBy, type MaskBits, maskIou } from "./mask-bits.js";

export interface Scored {
  score: number;
  bits: MaskBits;
}

/**
 * Mask non-maximum suppression: keeps a candidate unless a better candidate that is kept overlaps it too much.
 * @param maxIou largest IoU that is kept
 * @param maxCovered largest share of the smaller mask inside the larger one that is kept; 1: any
 * @returns the kept candidates, best first
 */
export function suppressOverlapping<T extends Scored>(
  candidates: readonly T[],
  maxIou: number,
  maxCovered: number,
): T[] {
  const kept: T[] = [];
  for (const candidate of byScore(candidates)) {
    const clashes = kept.some(
      ({ bits }) =>
        maskIou(candidate.bits, bits) > maxIou ||
        (maxCovered < 1 &&
          Math.max(coveredBy(candidate.bits, bits), coveredBy(bits, candidate.bits)) > maxCovered),
    );
    if (!clashes) kept.push(candidate);
  }
  return kept;
}

/**
 * Merges detections of different concepts that are the same object ("dog" and "puppy"). The detection with the best score
 * keeps its mask and gets all the concepts.
 * @param minIou IoU from which detections are the same object
 * @returns best first
 */
export function mergeAcrossConcepts<T extends Scored & { concepts: ReadonlySet<number> }>(
  detections: readonly T[],
  minIou: number,
): T[] {
  const merged: T[] = [];
  for (const detection of byScore(detections)) {
    const twin = merged.findIndex(
      ({ bits, concepts }) =>
        ![...detection.concepts].some((key) => concepts.has(key)) && maskIou(bits, detection.bits) >= minIou,
    );
    const first = merged[twin];
    if (first) merged[twin] = { ...first, concepts: new Set([...first.concepts, ...detection.concepts]) };
    else merged.push(detection);
  }
  return merged;
}

/** Mask IoU from which a detection shows the instance of a negative concept. Higher: fewer detections are dropped. */
export const NEGATIVE_IOU = 0.5;

/**
 * Separates the detections of negative concepts from the others, and drops each of the others that shows an instance of a
 * negative concept with a higher score.
 * @param negative keys of the negative concepts
 * @returns both in their order
 */
export function rejectNegatives<T extends Scored & { concepts: ReadonlySet<number> }>(
  detections: readonly T[],
  negative: ReadonlySet<number>,
): { objects: T[]; rejected: T[] } {
  const isNegative = ({ concepts }: T) => [...concepts].some((key) => negative.has(key));
  const rejected = detections.filter(isNegative);
  const isRejected = ({ score, bits }: T) =>
    rejected.some((other) => other.score > score && maskIou(bits, other.bits) >= NEGATIVE_IOU);
  return { objects: detections.filter((one) => !isNegative(one) && !isRejected(one)), rejected };
}

function byScore<T extends Scored>(items: readonly T[]): T[] {
  return [...items].sort((a, b) => b.score - a.score);
}
