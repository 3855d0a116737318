/** Deletes a concept and its objects. */
import { conceptName, isConcept } from "../../detector/concepts.js";
import type { TrackerParts } from "../parts.js";
import { PromptError } from "../prompts.js";
import { forgetDeleted } from "../sam3/history.js";
import type { Edit } from "./edit.js";

/** @returns ids of the objects that no longer exist */
export function removeConcept(
  parts: TrackerParts,
  { concept: phrase }: Extract<Edit, { kind: "removeConcept" }>,
): number[] {
  const { concepts, registry, history } = parts;
  const keys = new Set(concepts.all.filter((concept) => isConcept(concept, phrase)).map(({ key }) => key));
  if (keys.size === 0) {
    const known = concepts.all.map((concept) => JSON.stringify(conceptName(concept))).join(", ");
    throw new PromptError(
      "concept_not_found",
      `concept: expected one of ${known || "no concept"}, got ${JSON.stringify(phrase)}`,
      "concept",
    );
  }
  concepts.remove(keys);
  parts.lastDetection = null;
  const removed = registry.all().filter(({ conceptKey }) => conceptKey !== null && keys.has(conceptKey));
  for (const { id } of removed) registry.delete(id);
  forgetDeleted(history, registry);
  return removed.flatMap(({ id, excluded }) => (excluded ? [] : [id]));
}
