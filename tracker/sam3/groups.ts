/** Groups of objects: the occlusion rule, the shrink rule and the assignment of pixels apply within a group. */
import type { Masklet } from "../masklet.js";
import type { TrackerPolicy } from "../policy.js";

/** SAM 3 has one group. With `conceptsApart`, each concept is a group, and each object created by clicks or a box is one. */
export function groupOf(
  { id, conceptKey }: Pick<Masklet, "id" | "conceptKey">,
  { conceptsApart }: Pick<TrackerPolicy["detect"], "conceptsApart">,
): string {
  if (!conceptsApart) return "all objects";
  return conceptKey === null ? `object ${id}` : `concept ${conceptKey}`;
}
