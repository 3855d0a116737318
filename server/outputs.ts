/** The objects of a frame in the form of the wire: selected, compared with what was sent before, and in the chosen format. */
import {
  type CocoRle,
  type MaskFormat,
  type MaskFormatFields,
  type Outputs,
  packMask,
  polygonsOf,
} from "../protocol/index.js";
import { encodeLabels, encodeMaskPng, labelsOf } from "./png.js";
import type { StoredFrame } from "./results/stored-frame.js";
import { createSentMasks } from "./sent-masks.js";
import { toStates } from "./states.js";

export interface OutputsRequest extends MaskFormatFields {
  /** Objects below this probability are left out. */
  output_prob_thresh: number;
}

export interface OutputsWriter {
  /** To be called when the frame is about to be sent: with `changed_only`, later calls compare with it. */
  write(frame: StoredFrame, request: OutputsRequest): Promise<Outputs>;
  /** The next frames are sent whole. */
  forget(): void;
}

/**
 * @param session the choice of the session, which applies where a request has none
 * @param isConfirmed see `toStates`; absent: no mask is
 */
export function createOutputsWriter(
  session: MaskFormatFields,
  isConfirmed: (objectId: number, frameIndex: number) => boolean = () => false,
): OutputsWriter {
  const sent = createSentMasks();
  return {
    async write({ frameIndex, objects, unseen = [], stats }, request) {
      const format = request.mask_format ?? session.mask_format ?? "rle";
      const tolerancePx = request.polygon_tolerance_px ?? session.polygon_tolerance_px ?? 1;
      const shown = objects.filter((object) => object.prob >= request.output_prob_thresh);
      // Frames without masks leave the record as it is.
      const unchanged =
        format === "none"
          ? []
          : sent.compare(frameIndex, shown, format === "polygons" ? `${format} ${tolerancePx}` : format);
      const isOmitted = request.changed_only ?? session.changed_only ?? false;
      const written = isOmitted ? shown.filter(({ objectId }) => !unchanged.includes(objectId)) : shown;
      const masks = written.map((object) => object.mask);
      return {
        out_obj_ids: written.map((object) => object.objectId),
        out_probs: written.map((object) => object.prob),
        out_boxes_xywh: written.map((object) => object.boxXywh),
        ...(await formatMasks(masks, format, tolerancePx)),
        ...(isOmitted && { unchanged_obj_ids: unchanged }),
        out_states: toStates(shown, unseen, (objectId) => isConfirmed(objectId, frameIndex)),
        frame_stats: { num_obj_tracked: stats.tracked, num_obj_dropped: stats.dropped },
      };
    },
    forget: () => sent.clear(),
  };
}

type MaskFields = Omit<
  Outputs,
  "out_obj_ids" | "out_probs" | "out_boxes_xywh" | "out_states" | "frame_stats"
>;

async function formatMasks(
  masks: readonly CocoRle[],
  format: MaskFormat,
  tolerancePx: number,
): Promise<MaskFields> {
  const size = masks[0]?.size;
  switch (format) {
    case "rle":
      return { out_binary_masks: [...masks] };
    case "binary":
      return { out_packed_masks: masks.map(packMask) };
    case "polygons":
      return {
        out_polygons: masks.map((mask) => polygonsOf(mask, tolerancePx)),
        ...(size && { out_mask_size: size }),
      };
    case "png":
      return { out_png_masks: await Promise.all(masks.map(toPng)) };
    case "label_map":
      return { ...(size && { out_label_map: await toLabelMap(masks, size) }) };
    case "none":
      return {};
  }
}

const toPng = async (mask: CocoRle) => (await encodeMaskPng(mask)).toString("base64");

/** Where masks overlap, the later one in the list covers the earlier one. */
async function toLabelMap(masks: readonly CocoRle[], size: CocoRle["size"]): Promise<string> {
  const [height, width] = size;
  return (await encodeLabels(labelsOf(masks, size), width, height, masks.length)).toString("base64");
}
