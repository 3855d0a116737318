/** Who competes with whom for masks and pixels. */
import type { Masklet } from "../masklet.js";
import type { TrackerPolicy } from "../policy.js";

/** SAM 3 knows one group. With concepts apart, each concept is one, and each object of the user's is alone. */
export function groupOf(
  { id, conceptKey }: Pick<Masklet, "id" | "conceptKey">,
  { conceptsApart }: Pick<TrackerPolicy["detect"], "conceptsApart">,
): string {
  if (!conceptsApart) return "everybody";
  return conceptKey === null ? `object ${id}` : `concept ${conceptKey}`;
}
