/** What happens when several objects claim the same pixels. */
import { coveredBy, type MaskBits, maskBits, maskIou } from "../../detector/mask-bits.js";
import type { TrackerPolicy } from "../policy.js";

/** An object's claim on a frame. */
export interface Claim {
  objectId: number;
  /** Objects compete within a group: a concept's objects, or those made by the user. */
  group: number | null;
  /** float32 [m, m]; not changed */
  maskLogits: Float32Array;
  bits: MaskBits;
  /** A detection or the user stands behind this mask, not the tracker alone. */
  supported: boolean;
  /** Made by the user. */
  owned: boolean;
  /** It was in sight on the frame before. */
  seen: boolean;
  /** The frame on which it was hidden last; null if never. */
  hiddenFrame: number | null;
  /** Frames it has been followed for. */
  age: number;
}

type OverlapRules = TrackerPolicy["overlap"];

/**
 * Share of an unsupported mask inside a supported one from which it counts as the same object. Higher: duplicates are
 * shown longer. Lower: partly hidden objects disappear sooner.
 */
const DUPLICATE_COVERED = 0.8;

/** Share of its pixels a mask must keep, or it counts as hidden. Higher: sooner hidden. Lower: fragments are shown. */
const MIN_KEPT = 0.3;

/**
 * Objects that follow what another object already is: when something passes behind a look-alike, its track settles on the
 * one in front. The one with less behind it is taken to be hidden.
 * @returns ids of the hidden objects; never one of the user's, and never one that a detection stands behind
 */
export function findHidden(claims: readonly Claim[], rules: OverlapRules): Set<number> {
  const hidden = new Set<number>();
  for (const claim of claims) {
    if (claim.owned || claim.supported || claim.bits.area === 0) continue;
    const doubled = claims.some(
      (other) =>
        other !== claim &&
        !hidden.has(other.objectId) &&
        (other.owned || other.group === claim.group) &&
        follows(claim, other, rules) &&
        outranks(other, claim),
    );
    if (doubled) hidden.add(claim.objectId);
  }
  return hidden;
}

function follows(claim: Claim, other: Claim, rules: OverlapRules): boolean {
  if (maskIou(claim.bits, other.bits) >= rules.suppressOverlappingBasedOnRecentOcclusionThreshold)
    return true;
  return (other.supported || other.owned) && coveredBy(claim.bits, other.bits) >= DUPLICATE_COVERED;
}

/** Whoever was just hidden stays so; SAM 3: of two, whoever was hidden more recently is hidden again; then the younger. */
function outranks(a: Claim, b: Claim): boolean {
  if (a.owned !== b.owned) return a.owned;
  if (a.supported !== b.supported) return a.supported;
  if (a.seen !== b.seen) return a.seen;
  if (a.hiddenFrame !== null && b.hiddenFrame !== null && a.hiddenFrame !== b.hiddenFrame) {
    return a.hiddenFrame < b.hiddenFrame;
  }
  return a.age === b.age ? a.objectId < b.objectId : a.age > b.age;
}

/** Below any threshold anyone uses, and SAM 3's own value. */
const TAKEN = -10;

/**
 * Gives every pixel to one object of its group: a mask with something behind it comes before one without, then the higher
 * logit wins.
 * @returns the masks in the order of the claims; untouched ones are the same arrays, and an unsupported mask that keeps
 * less than `minKept` of its pixels is emptied
 */
export function separate(
  claims: readonly Claim[],
  { exclusivePrompted }: Pick<OverlapRules, "exclusivePrompted">,
  minKept = MIN_KEPT,
): Float32Array[] {
  const masks = claims.map((claim) => claim.maskLogits);
  const groups = new Map<number | null, number[]>();
  claims.forEach((claim, index) => {
    if (claim.group === null && !exclusivePrompted) return;
    groups.set(claim.group, [...(groups.get(claim.group) ?? []), index]);
  });
  for (const members of groups.values()) {
    for (let i = 0; i < members.length; i++) {
      for (let j = i + 1; j < members.length; j++) {
        separatePair(claims, masks, members[i] as number, members[j] as number);
      }
    }
    for (const index of members) {
      const claim = claims[index] as Claim;
      const mask = masks[index] as Float32Array;
      if (mask === claim.maskLogits || claim.supported) continue;
      if (maskBits(mask).area < minKept * claim.bits.area) mask.fill(TAKEN);
    }
  }
  return masks;
}

function separatePair(claims: readonly Claim[], masks: Float32Array[], first: number, second: number): void {
  const a = claims[first] as Claim;
  const b = claims[second] as Claim;
  const words = a.bits.words;
  for (let word = 0; word < words.length; word++) {
    if (((words[word] as number) & (b.bits.words[word] as number)) === 0) continue;
    for (let pixel = word * 32; pixel < Math.min(word * 32 + 32, a.maskLogits.length); pixel++) {
      const ours = (masks[first] as Float32Array)[pixel] as number;
      const theirs = (masks[second] as Float32Array)[pixel] as number;
      if (ours <= 0 || theirs <= 0) continue;
      const firstWins = a.supported === b.supported ? ours >= theirs : a.supported;
      const loser = firstWins ? second : first;
      if (masks[loser] === (claims[loser] as Claim).maskLogits)
        masks[loser] = (masks[loser] as Float32Array).slice();
      (masks[loser] as Float32Array)[pixel] = TAKEN;
    }
  }
}
