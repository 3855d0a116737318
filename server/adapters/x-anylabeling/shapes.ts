/** Masks as the polygons that X-AnyLabeling draws and saves. */
import { type CocoRle, maskArea, type Outputs, polygonsOf, type Ring } from "../../../protocol/index.js";
import { connectedParts } from "../../exports/mask-sets.js";
import { outlineOfPart } from "../../exports/outlines.js";

export interface Shape {
  label: string;
  shape_type: "polygon";
  /** Corners in pixels of the picture. The last one repeats the first one. */
  points: [x: number, y: number][];
  score: number;
  /** The same for all pieces of an object, and for an object on all frames. */
  group_id: number | null;
}

/** The name of a shape that has no label yet. The button "finish object" asks for one. */
export const UNNAMED = "AUTOLABEL_OBJECT";

/** Pieces smaller than this part of the object are specks, which would be shapes of their own. */
const SMALLEST_PIECE = 0.02;

export interface OutlinedObject {
  label: string;
  score: number;
  mask: CocoRle;
  groupId: number | null;
}

/**
 * One polygon for each piece of a mask. A hole is joined to its polygon by a bridge without width.
 * @param epsilonFactor largest distance by which an outline moves, as a part of its length
 */
export function shapesOf({ label, score, mask, groupId }: OutlinedObject, epsilonFactor: number): Shape[] {
  const leastArea = SMALLEST_PIECE * maskArea(mask);
  return connectedParts(mask)
    .filter((part) => maskArea(part) >= leastArea)
    .map((part) => {
      const [outline] = polygonsOf(part, 0);
      return outlineOfPart(part, epsilonFactor * lengthOf(outline ?? []), 0);
    })
    .map((ring) => ({
      label,
      shape_type: "polygon",
      points: cornersOf(ring),
      score: rounded(score),
      group_id: groupId,
    }));
}

/** The objects of a frame. The group of an object is its id plus 1, because X-AnyLabeling requires a number above 0. */
export function outlinedObjects(outputs: Outputs): OutlinedObject[] {
  const concepts = new Map(outputs.out_states.map(({ obj_id, prompt }) => [obj_id, prompt.concept]));
  return outputs.out_obj_ids.flatMap((id, at) => {
    const mask = outputs.out_binary_masks?.[at];
    if (!mask) return [];
    return { label: concepts.get(id) ?? UNNAMED, score: outputs.out_probs[at] ?? 0, mask, groupId: id + 1 };
  });
}

function cornersOf(ring: Ring): Shape["points"] {
  const corners: Shape["points"] = [];
  for (let at = 0; at + 1 < ring.length; at += 2)
    corners.push([rounded(ring[at] as number), rounded(ring[at + 1] as number)]);
  const [first] = corners;
  return first ? [...corners, first] : corners;
}

function lengthOf(ring: Ring): number {
  let length = 0;
  let [x0, y0] = ring.slice(-2) as [number, number];
  for (let at = 0; at + 1 < ring.length; at += 2) {
    const [x1, y1] = [ring[at] as number, ring[at + 1] as number];
    length += Math.hypot(x1 - x0, y1 - y0);
    [x0, y0] = [x1, y1];
  }
  return length;
}

/** Two decimals: the window reads the answer in small parts, which takes long for a long one. */
function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
