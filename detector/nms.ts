/** One thing, one detection: within a concept, and between concepts that mean the same thing here. */
import { coveredBy, type MaskBits, maskIou } from "./mask-bits.js";

export interface Scored {
  score: number;
  bits: MaskBits;
}

/**
 * Mask non-maximum suppression: keeps a candidate when no better one that is kept overlaps it too much.
 * @param maxIou overlaps up to and including this value are allowed
 * @param maxCovered how much of the smaller of two masks may lie in the other; 1 allows everything
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
 * Merges detections of different concepts that are the same thing ("dog" and "puppy"). The best score keeps its mask and
 * learns every concept that saw it.
 * @param minIou overlaps from this value on are one thing
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

function byScore<T extends Scored>(items: readonly T[]): T[] {
  return [...items].sort((a, b) => b.score - a.score);
}
