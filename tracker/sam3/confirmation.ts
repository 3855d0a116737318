/**
 * SAM 3's masklet confirmation: an object is shown only after it was detected on several consecutive frames. Off in every
 * preset.
 *
 * Source: facebookresearch/sam3:sam3/model/sam3_video_base.py (masklet confirmation).
 */
import type { Masklet } from "../masklet.js";
import type { TrackerParts } from "../parts.js";
import type { TrackerPolicy } from "../policy.js";
import type { OverlapFindings } from "./association.js";
import type { Confirmation } from "./history.js";

/**
 * Updates the confirmations with one frame.
 * @param ids all objects on this frame, including new ones; the result has no entries for other objects
 * @param matched ids of the objects that a detection overlaps, and of the new ones
 */
export function confirm(
  before: ReadonlyMap<number, Confirmation>,
  ids: readonly number[],
  matched: ReadonlySet<number>,
  rules: Pick<TrackerPolicy["life"], "maskletConfirmationConsecutiveDetThresh">,
): Map<number, Confirmation> {
  return new Map(
    ids.map((id) => {
      const { streak: last, confirmed } = before.get(id) ?? { streak: 0, confirmed: false };
      const streak = matched.has(id) ? last + 1 : 0;
      const isReached = streak >= rules.maskletConfirmationConsecutiveDetThresh;
      return [id, { streak, confirmed: confirmed || isReached }];
    }),
  );
}

export function unconfirmedIds(confirmations: ReadonlyMap<number, Confirmation>): number[] {
  return [...confirmations].flatMap(([id, { confirmed }]) => (confirmed ? [] : [id]));
}

/** Updates the confirmations of the session. @param created the objects that start on this frame */
export function updateConfirmations(
  { history, registry, policy }: TrackerParts,
  findings: OverlapFindings,
  created: readonly Masklet[],
): void {
  const matched = new Set([...findings.matched.flat(), ...created.map(({ id }) => id)]);
  const ids = registry.all().map(({ id }) => id);
  history.confirmations = confirm(history.confirmations, ids, matched, policy.life);
}
