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
import type { Standing } from "./history.js";

/**
 * @param ids all objects on this frame, including new ones; the result has no entries for other objects
 * @param matched ids of the objects that a detection overlaps, and of the new ones
 */
export function confirm(
  before: ReadonlyMap<number, Standing>,
  ids: readonly number[],
  matched: ReadonlySet<number>,
  rules: Pick<TrackerPolicy["life"], "maskletConfirmationConsecutiveDetThresh">,
): Map<number, Standing> {
  return new Map(
    ids.map((id) => {
      const { streak: last, confirmed } = before.get(id) ?? { streak: 0, confirmed: false };
      const streak = matched.has(id) ? last + 1 : 0;
      const isSure = streak >= rules.maskletConfirmationConsecutiveDetThresh;
      return [id, { streak, confirmed: confirmed || isSure }];
    }),
  );
}

export function unconfirmedIds(standings: ReadonlyMap<number, Standing>): number[] {
  return [...standings].flatMap(([id, { confirmed }]) => (confirmed ? [] : [id]));
}

/** @param created the objects that start on this frame */
export function updateStandings(
  { history, registry, policy }: TrackerParts,
  findings: OverlapFindings,
  created: readonly Masklet[],
): void {
  const matched = new Set([...findings.matched.flat(), ...created.map(({ id }) => id)]);
  const ids = registry.all().map(({ id }) => id);
  history.standings = confirm(history.standings, ids, matched, policy.life);
}
