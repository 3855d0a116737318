/**
 * SAM 3's shrink rule: an object is remembered as absent if it would lose most of its pixels when each pixel is assigned to
 * one object. The masks of the other objects are remembered unchanged, including their overlaps.
 *
 * Source: facebookresearch/sam3:sam3/model/sam3_tracker_base.py (pixel-wise non-overlap and area shrinkage).
 */
import type { BoxXyxy } from "../../detector/geometry.js";
import { maskExtent } from "../../detector/mask-bits.js";
import { enlarge } from "../masks/resize.js";
import type { TrackerPolicy } from "../policy.js";

export interface Shrinkable {
  /** Only objects of the same group are compared. */
  group: number | string | null;
  /** float32 [side, side]; not changed */
  maskLogits: Float32Array;
}

/** Upper bound for the logits of a mask that is remembered as absent. */
const ABSENT = -10;

/**
 * Minimum share of its pixels that an object keeps to be remembered as present. Higher: more objects are remembered as
 * absent. Lower: fragments are remembered.
 */
const MIN_KEPT = 0.3;

/** Side of the grid of the memory encoder, relative to the side of the mask grid. */
const MEMORY_SCALE = 4;

/**
 * Applies the shrink rule to the masks of a frame.
 * @param side of the mask grid
 * @returns the masks to remember, in the order of the objects; unchanged masks are the same arrays
 */
export function withoutShrunk(
  objects: readonly Shrinkable[],
  side: number,
  { shrinkGrid }: Pick<TrackerPolicy["overlap"], "shrinkGrid">,
  minKept = MIN_KEPT,
): Float32Array[] {
  const masks = objects.map(({ maskLogits }) => maskLogits);
  const extents = masks.map((mask) => maskExtent(mask, side)?.box);
  const groups = new Map<Shrinkable["group"], number[]>();
  objects.forEach(({ group }, index) => {
    groups.set(group, [...(groups.get(group) ?? []), index]);
  });
  for (const members of groups.values()) {
    // On the mask grid, SAM 3 does not apply the rule to a single object.
    if (shrinkGrid === "mask" && members.length === 1) continue;
    const mayOverlap = members.some((a) =>
      members.some((b) => a < b && adjoins(extents[a], extents[b], 1 / side)),
    );
    // Without overlaps, every object keeps all its pixels on both grids, and the masks need not be enlarged.
    const isFine = shrinkGrid === "memory" && mayOverlap;
    const fine = members.map((index) => {
      const mask = masks[index] as Float32Array;
      return isFine ? enlarge(mask, side, side * MEMORY_SCALE) : mask;
    });
    sharesKept(fine).forEach((share, place) => {
      const index = members[place] as number;
      if (share >= minKept) return;
      masks[index] = (masks[index] as Float32Array).map((logit) => Math.min(logit, ABSENT));
    });
  }
  return masks;
}

/** Whether two boxes are at most one pixel of the mask grid apart: enlarging extends a mask by up to half a pixel. */
function adjoins(a: BoxXyxy | undefined, b: BoxXyxy | undefined, pixel: number): boolean {
  if (!a || !b) return false;
  return a[0] <= b[2] + pixel && b[0] <= a[2] + pixel && a[1] <= b[3] + pixel && b[1] <= a[3] + pixel;
}

/**
 * For each mask, the share of its pixels on which its logit is the highest; on a tie, the first mask counts. 0 for empty
 * masks.
 */
function sharesKept(masks: readonly Float32Array[]): number[] {
  const area = masks.map(() => 0);
  const kept = masks.map(() => 0);
  const pixels = masks[0]?.length ?? 0;
  for (let pixel = 0; pixel < pixels; pixel++) {
    let best = Number.NEGATIVE_INFINITY;
    let owner = -1;
    masks.forEach((mask, index) => {
      const logit = mask[pixel] as number;
      if (logit > 0) area[index] = (area[index] as number) + 1;
      if (logit > best) {
        best = logit;
        owner = index;
      }
    });
    if (best > 0) kept[owner] = (kept[owner] as number) + 1;
  }
  return kept.map((own, index) => own / Math.max(area[index] as number, 1));
}
