/** Groups of objects that compete for masks and pixels. */
import type { Masklet } from "../masklet.js";
import type { TrackerPolicy } from "../policy.js";

/** SAM 3 has one group. With `conceptsApart`, each concept is a group, and so is each object made by clicks or a box. */
export function groupOf(
  { id, conceptKey }: Pick<Masklet, "id" | "conceptKey">,
  { conceptsApart }: Pick<TrackerPolicy["detect"], "conceptsApart">,
): string {
  if (!conceptsApart) return "all objects";
  return conceptKey === null ? `object ${id}` : `concept ${conceptKey}`;
}
