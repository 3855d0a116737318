/** Looks up the objects of an edit, and describes all objects of a session. */
import { conceptName } from "../../detector/concepts.js";
import { type FrameSet, frameSetOf } from "../frame-set.js";
import type { Masklet } from "../masklet.js";
import type { TrackerParts } from "../parts.js";
import { PromptError } from "../prompts.js";

/** @throws PromptError object_not_found for unknown and for removed objects */
export function objectOf({ registry }: TrackerParts, id: number, field = "obj_id"): Masklet {
  const masklet = registry.get(id);
  if (masklet && !masklet.excluded) return masklet;
  throw new PromptError("object_not_found", `${field}: there is no object ${id} in this session.`, field);
}

/** The ids of all objects that the user has not removed, ascending. */
export function objectIds({ registry }: Pick<TrackerParts, "registry">): number[] {
  return registry.all().flatMap(({ id, excluded }) => (excluded ? [] : [id]));
}

/** What the user can edit about an object. */
export interface ObjectFacts {
  objectId: number;
  /** The concept that detected it; null for an object of clicks, a box or a mask. */
  concept: string | null;
  locked: FrameSet;
  absent: FrameSet;
}

export function describeObjects({
  registry,
  concepts,
}: Pick<TrackerParts, "registry" | "concepts">): ObjectFacts[] {
  const names = new Map(concepts.all.map((concept) => [concept.key, conceptName(concept)]));
  return registry
    .all()
    .filter(({ excluded }) => !excluded)
    .map(({ id, conceptKey, locks, absent }) => ({
      objectId: id,
      concept: conceptKey === null ? null : (names.get(conceptKey) ?? null),
      locked: frameSetOf([...locks.keys()].sort((a, b) => a - b)),
      absent,
    }));
}
