/**
 * One frame of tracking alone: nobody is detected, and objects have no effect on each other. SAM 3 visits frames so after
 * clicks (its "partial" propagation), and its port where there are only clicks.
 */
import { follow } from "./follow.js";
import { groupOf } from "./groups.js";
import { sigmoid } from "./look-score.js";
import type { Frame } from "./model.js";
import { rememberTruly } from "./overlap-memory.js";
import type { TrackerParts } from "./parts.js";
import type { StepResult, TrackedObject } from "./report.js";
import { type Sight, scoreOf } from "./sight.js";

/** @param objectIds whose masks are wanted; those who share a bucket with them are tracked along. null: everybody */
export async function stepPlainly(
  parts: TrackerParts,
  frame: Frame,
  reverse: boolean,
  objectIds: ReadonlySet<number> | null,
): Promise<StepResult> {
  const { features, registry } = parts;
  const isWanted = (id: number) => objectIds === null || objectIds.has(id);
  const buckets = new Set(registry.all().flatMap(({ id, bucket }) => (isWanted(id) ? [bucket] : [])));
  const levels = await features.get(frame, false);
  const sights = await follow(parts, levels, frame.index, reverse, ({ bucket }) => buckets.has(bucket));
  await rememberTruly(parts, levels, frame.index, sights, false);
  return {
    objects: sights.filter(({ masklet }) => isWanted(masklet.id)).map((sight) => showSight(parts, sight)),
    stats: { tracked: registry.all().length, dropped: 0 },
  };
}

/** An object as its sight shows it. */
export function showSight({ policy }: TrackerParts, sight: Sight): TrackedObject {
  const { masklet, maskLogits } = sight;
  const score = scoreOf(sight);
  return {
    objectId: masklet.id,
    prob: masklet.prob,
    maskLogits,
    score,
    claim: { group: groupOf(masklet, policy.detect), prob: sigmoid(score) },
  };
}
