/**
 * Keeps the objects of the user apart that look alike. The tracker recognises all of them, so the mask of each spreads to the
 * others when they come close. Of two objects that were apart on their last frames, each keeps the pixels that are nearer to
 * where it was.
 */
import { type MaskBits, maskBits, sharedArea } from "../../detector/mask-bits.js";
import { distancesFrom } from "../masks/distances.js";
import { OUTSIDE } from "../masks/mask.js";
import { findPieces } from "../masks/pieces.js";
import { type Observation, setMask } from "../observation.js";

/**
 * Share of the smaller of two masks up to which they are apart. Higher: more objects are kept apart, also a person and a bag that
 * overlap a little. Lower: objects that touch share pixels.
 */
const MAX_SHARED = 0.05;

/** An object of the user, and its mask on the last frame. */
interface Owned {
  observation: Observation;
  last: Float32Array;
  lastBits: MaskBits;
}

/** Assigns each pixel that two tracked masks of the user's objects cover to one of them, if the objects were apart. */
export function keepApart(observations: readonly Observation[], side: number): void {
  const candidates = observations.filter(({ masklet }) => masklet.owned && !masklet.excluded);
  if (candidates.length < 2) return;
  const owned = candidates.flatMap((observation): Owned[] => {
    const { last } = observation;
    if (!last) return [];
    const lastBits = maskBits(last);
    return lastBits.area > 0 ? [{ observation, last, lastBits }] : [];
  });
  owned.forEach((a, index) => {
    for (const b of owned.slice(index + 1)) if (wereApart(a, b)) dividePixels(a, b, side);
  });
}

function wereApart({ lastBits: a }: Owned, { lastBits: b }: Owned): boolean {
  return sharedArea(a, b) <= MAX_SHARED * Math.min(a.area, b.area);
}

/**
 * Removes each shared pixel from the mask of the object that was farther from it; at equal distances, from the one with the
 * lower logit.
 */
function dividePixels(a: Owned, b: Owned, side: number): void {
  if (sharedArea(a.observation.bits, b.observation.bits) === 0) return;
  const [fromA, fromB] = [a, b].map(({ last }) => distancesFrom(findPieces(last, side, true), side)) as [
    Float32Array,
    Float32Array,
  ];
  const [maskA, maskB] = [a.observation.maskLogits.slice(), b.observation.maskLogits.slice()];
  for (let pixel = 0; pixel < maskA.length; pixel++) {
    const [logitA, logitB] = [maskA[pixel] as number, maskB[pixel] as number];
    if (logitA <= 0 || logitB <= 0) continue;
    const nearer = (fromB[pixel] as number) - (fromA[pixel] as number) || logitA - logitB;
    (nearer >= 0 ? maskB : maskA)[pixel] = OUTSIDE;
  }
  setMask(a.observation, maskA);
  setMask(b.observation, maskB);
}
