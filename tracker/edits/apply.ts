/** Applies an edit to the objects of a session. */
import type { TrackerParts } from "../parts.js";
import { markAbsent } from "./absence.js";
import type { Edit, EditResult } from "./edit.js";
import { lock, unlock } from "./locks.js";
import { merge } from "./merge.js";
import { removeConcept } from "./remove-concept.js";
import { split } from "./split.js";
import { swap } from "./swap.js";

/** @throws PromptError object_not_found, concept_not_found, invalid_field, object_limit; nothing has changed then */
export function applyEdit(parts: TrackerParts, edit: Edit): EditResult {
  switch (edit.kind) {
    case "lock":
      lock(parts, edit);
      return { removedIds: [] };
    case "unlock":
      unlock(parts, edit);
      return { removedIds: [] };
    case "absent":
      markAbsent(parts, edit);
      return { removedIds: [] };
    case "merge":
      return { removedIds: merge(parts, edit) };
    case "split":
      return { removedIds: [], newObjectId: split(parts, edit) };
    case "swap":
      swap(parts, edit);
      return { removedIds: [] };
    case "removeConcept":
      return { removedIds: removeConcept(parts, edit) };
  }
}
