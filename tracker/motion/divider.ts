/** Divides the masks of a frame between the objects that are expected there; see `shared-masks.ts`. */
import type { Detection } from "../../detector/detect.js";
import { type Observation, setMask } from "../observation.js";
import type { TrackerParts } from "../parts.js";
import { type ExpectedMask, expectMask } from "./expected-mask.js";
import { confineToObject, divideDetections } from "./shared-masks.js";

export interface Divider {
  /** Confines the masks of the objects to their own pixels. */
  confine(): void;
  /** @returns the detections, those of several objects divided */
  divide(detections: readonly Detection[]): readonly Detection[];
}

/** Only objects that a detector found take part: the masks of the user's objects are never cut. */
export function createDivider(
  { geometry: { m } }: TrackerParts,
  frameIndex: number,
  observations: readonly Observation[],
): Divider {
  const objects = observations.flatMap((observation) => {
    const { masklet, stored, locked } = observation;
    if (masklet.owned || masklet.excluded || stored || locked) return [];
    const expected = expectMask(masklet.motion, frameIndex, m);
    return expected ? [{ observation, conceptKey: masklet.conceptKey, expected }] : [];
  });
  const othersOf = (one: (typeof objects)[number]): ExpectedMask[] =>
    objects
      .filter((other) => other !== one && other.conceptKey === one.conceptKey)
      .map(({ expected }) => expected);
  return {
    confine() {
      for (const object of objects) {
        const { observation, expected } = object;
        setMask(observation, confineToObject(observation, expected, othersOf(object), m));
      }
    },
    divide: (detections) => divideDetections(detections, objects, m),
  };
}
