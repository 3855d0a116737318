/** Resolves masks that overlap: hides occluded objects, and assigns each shared pixel to one object. */
import { coveredBy, type MaskBits, maskBits, maskIou } from "../../detector/mask-bits.js";
import { emptyMask } from "../masks/mask.js";
import { type Observation, setMask } from "../observation.js";
import type { TrackerParts } from "../parts.js";
import type { TrackerPolicy } from "../policy.js";

/** One object and its mask on a frame, as far as overlaps depend on it. */
export interface Claim {
  objectId: number;
  /** Objects of the same group share no pixel: those of one concept, or (null) those created by the user. */
  group: number | null;
  /** float32 [m, m]; not changed */
  maskLogits: Float32Array;
  bits: MaskBits;
  /** A detection or a prompt supports this mask. */
  supported: boolean;
  /** The user created or corrected the object. */
  owned: boolean;
  /** It had a mask on the previous frame. */
  seen: boolean;
  /** The frame on which it was hidden last; null if never. */
  hiddenFrame: number | null;
  /** Frames since it was created. */
  age: number;
}

type OverlapRules = TrackerPolicy["overlap"];

/**
 * Share of an unsupported mask inside a supported one from which it counts as a duplicate. Higher: duplicates are shown
 * longer. Lower: partly hidden objects are hidden sooner.
 */
const DUPLICATE_COVERED = 0.8;

/**
 * Minimum share of its pixels that a mask keeps; below it, the object is hidden. Higher: hidden sooner. Lower: fragments are
 * shown.
 */
const MIN_KEPT = 0.3;

/**
 * Finds objects whose mask covers another object: when an object passes behind a look-alike, its tracked mask moves to the
 * object in front. Of two such objects, the one with less support is hidden.
 * @returns ids of the hidden objects; never owned or supported ones
 */
export function findHidden(claims: readonly Claim[], rules: OverlapRules): Set<number> {
  const hidden = new Set<number>();
  for (const claim of claims) {
    if (claim.owned || claim.supported || claim.bits.area === 0) continue;
    const isDuplicate = claims.some(
      (other) =>
        other !== claim &&
        !hidden.has(other.objectId) &&
        (other.owned || other.group === claim.group) &&
        coincides(claim, other, rules) &&
        outranks(other, claim),
    );
    if (isDuplicate) hidden.add(claim.objectId);
  }
  return hidden;
}

function coincides(claim: Claim, other: Claim, rules: OverlapRules): boolean {
  if (maskIou(claim.bits, other.bits) >= rules.suppressOverlappingBasedOnRecentOcclusionThreshold)
    return true;
  return (other.supported || other.owned) && coveredBy(claim.bits, other.bits) >= DUPLICATE_COVERED;
}

/**
 * Whether `a` keeps its mask and `b` is hidden. Owned and supported objects keep their masks. Otherwise, an object without a
 * mask on the previous frame is hidden. As in SAM 3, of two objects that were hidden before, the one hidden more recently is
 * hidden again. Otherwise the younger one is hidden.
 */
function outranks(a: Claim, b: Claim): boolean {
  if (a.owned !== b.owned) return a.owned;
  if (a.supported !== b.supported) return a.supported;
  if (a.seen !== b.seen) return a.seen;
  if (a.hiddenFrame !== null && b.hiddenFrame !== null && a.hiddenFrame !== b.hiddenFrame) {
    return a.hiddenFrame < b.hiddenFrame;
  }
  return a.age === b.age ? a.objectId < b.objectId : a.age > b.age;
}

/** Logit of pixels that are assigned to another object, as in SAM 3. */
const TAKEN = -10;

/**
 * Assigns each pixel to one object of a group: to a supported one before an unsupported one, then to the one with the higher
 * logit.
 * Empties unsupported masks that keep less than {@link MIN_KEPT} of their pixels.
 * @returns the masks in the order of the claims; unchanged masks are the same arrays
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
      const firstLogit = (masks[first] as Float32Array)[pixel] as number;
      const secondLogit = (masks[second] as Float32Array)[pixel] as number;
      if (firstLogit <= 0 || secondLogit <= 0) continue;
      const firstWins = a.supported === b.supported ? firstLogit >= secondLogit : a.supported;
      const loser = firstWins ? second : first;
      if (masks[loser] === (claims[loser] as Claim).maskLogits)
        masks[loser] = (masks[loser] as Float32Array).slice();
      (masks[loser] as Float32Array)[pixel] = TAKEN;
    }
  }
}

/** Empties the masks of hidden objects, then assigns shared pixels. Objects that the user removed are ignored. */
export function resolveOverlaps({ policy, geometry }: TrackerParts, all: readonly Observation[]): void {
  const observations = all.filter(({ masklet }) => !masklet.excluded);
  const hidden = findHidden(observations.map(toClaim), policy.overlap);
  const empty = emptyMask(geometry.m);
  for (const observation of observations) if (hidden.has(observation.masklet.id)) setMask(observation, empty);
  const masks = separate(observations.map(toClaim), policy.overlap);
  observations.forEach((observation, index) => {
    setMask(observation, masks[index] as Float32Array);
  });
}

function toClaim({ masklet, stored, locked, detection, maskLogits, bits }: Observation): Claim {
  return {
    objectId: masklet.id,
    group: masklet.conceptKey,
    maskLogits,
    bits,
    supported: stored !== null || locked !== null || detection !== null,
    owned: masklet.owned,
    seen: masklet.state === "seen",
    hiddenFrame: masklet.hiddenFrame,
    age: masklet.age,
  };
}
