import type { Outputs } from "../protocol/index.js";
import type { StoredFrame } from "./results/stored-frame.js";

/** The objects of a frame in the form of the wire, without those below `probThreshold`. */
export function toOutputs({ objects, stats }: StoredFrame, probThreshold: number): Outputs {
  const shown = objects.filter((object) => object.prob >= probThreshold);
  return {
    out_obj_ids: shown.map((object) => object.objectId),
    out_probs: shown.map((object) => object.prob),
    out_boxes_xywh: shown.map((object) => object.boxXywh),
    out_binary_masks: shown.map((object) => object.mask),
    frame_stats: { num_obj_tracked: stats.tracked, num_obj_dropped: stats.dropped },
  };
}
