import type { Outputs } from "../../protocol/index.js";
import { type CocoRle, decodeMask, type Mask } from "../../protocol/rle.js";

/** One object on one frame: an entry of each of the lists in `outputs`. */
export interface FrameObject {
  id: number;
  prob: number;
  /** x, y, width, height, 0..1 of the frame. */
  boxXywh: [x: number, y: number, width: number, height: number];
  /** As on the wire; {@link FrameObject.decodeMask} returns pixels. */
  rle: CocoRle;
  decodeMask(): Mask;
}

/** The parallel lists of a frame's `outputs` as one list of objects. */
export function objectsOf(outputs: Outputs): FrameObject[] {
  return outputs.out_obj_ids.map((id, index) => {
    const prob = outputs.out_probs[index];
    const boxXywh = outputs.out_boxes_xywh[index];
    const rle = outputs.out_binary_masks[index];
    if (prob === undefined || boxXywh === undefined || rle === undefined) {
      throw new RangeError(
        `expected as many probabilities, boxes and masks as ids, ${outputs.out_obj_ids.length}`,
      );
    }
    return { id, prob, boxXywh, rle, decodeMask: () => decodeMask(rle) };
  });
}
