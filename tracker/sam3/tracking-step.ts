/**
 * One frame of tracking alone: nobody is detected, and objects have no effect on each other. SAM 3 visits frames so after
 * clicks (its "partial" propagation), and its port where there are only clicks.
 */

import type { Frame } from "../model.js";
import { type Observation, scoreOf } from "../observation.js";
import type { TrackerParts } from "../parts.js";
import type { StepResult, TrackedObject } from "../report.js";
import { trackObjects } from "../track-objects.js";
import { sigmoid } from "./bucket-score.js";
import { groupOf } from "./groups.js";
import { rememberTruly } from "./remember.js";

/** @param objectIds whose masks are wanted; those who share a bucket with them are tracked along. null: everybody */
export async function stepTrackingOnly(
  parts: TrackerParts,
  frame: Frame,
  reverse: boolean,
  objectIds: ReadonlySet<number> | null,
): Promise<StepResult> {
  const { features, registry } = parts;
  const isWanted = (id: number) => objectIds === null || objectIds.has(id);
  const buckets = new Set(registry.all().flatMap(({ id, bucket }) => (isWanted(id) ? [bucket] : [])));
  const levels = await features.get(frame, false);
  const observations = await trackObjects(parts, levels, frame.index, reverse, ({ bucket }) =>
    buckets.has(bucket),
  );
  await rememberTruly(parts, levels, frame.index, observations, false);
  return {
    objects: observations
      .filter(({ masklet }) => isWanted(masklet.id))
      .map((observation) => showObservation(parts, observation)),
    stats: { tracked: registry.all().length, dropped: 0 },
  };
}

/** An object as its sight shows it. */
export function showObservation({ policy }: TrackerParts, observation: Observation): TrackedObject {
  const { masklet, maskLogits } = observation;
  const score = scoreOf(observation);
  return {
    objectId: masklet.id,
    prob: masklet.prob,
    maskLogits,
    score,
    claim: { group: groupOf(masklet, policy.detect), prob: sigmoid(score) },
  };
}
