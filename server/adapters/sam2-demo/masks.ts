/** Masks of a frame in the two forms of the page. */
import type { AnswerOf, CocoRle } from "../../../protocol/index.js";
import type { DemoState } from "./session-states.js";

export type Outputs = AnswerOf<"add_prompt">["outputs"];

export interface ObjectMask {
  objectId: number;
  mask: CocoRle;
}

/**
 * One mask for each object of the page, without pixels where the object is not visible: the page fails on objects that it
 * does not know, and keeps the former mask of an object that an answer leaves out.
 */
export function masksOf({ objects, emptyMask }: DemoState, outputs: Outputs | undefined): ObjectMask[] {
  const { out_obj_ids: ids = [], out_binary_masks: masks = [] } = outputs ?? {};
  return [...objects.keys()].map((objectId) => {
    const at = ids.indexOf(objectId);
    return { objectId, mask: (at < 0 ? undefined : masks[at]) ?? emptyMask };
  });
}

/** As the type RLEMaskListOnFrame of the schema. */
export const maskListOnFrame = (frameIndex: number, masks: readonly ObjectMask[]) => ({
  frameIndex,
  rleMaskList: masks.map(({ objectId, mask: { size, counts } }) => ({
    objectId,
    // Pixels are counted down the columns, in the order of Fortran.
    rleMask: { size, counts, order: "F" },
  })),
});
