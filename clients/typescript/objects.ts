import type { Outputs } from "../../protocol/index.js";
import { unpackMask, unpackRle } from "../../protocol/packed-mask.js";
import { rleOfPolygons } from "../../protocol/polygons.js";
import { type CocoRle, decodeMask, encodeMask, type Mask } from "../../protocol/rle.js";
import { decodeLabelMap, type LabelMap, maskOfLabel, maskOfPng } from "./png-masks.js";

/** One object on one frame: an entry of each of the lists in `outputs`. */
export interface FrameObject {
  id: number;
  prob: number;
  /** x, y, width, height, 0..1 of the frame. */
  boxXywh: [x: number, y: number, width: number, height: number];
  /** As on the wire with the format `rle`; converted from other formats. @throws RangeError with the format `none`. */
  readonly rle: CocoRle;
  /** @throws RangeError when the mask is malformed, and with the format `none`. */
  decodeMask(): Mask;
}

/**
 * The parallel lists of a frame's `outputs` as one list of objects, whatever the format of the masks. Objects that
 * `unchanged_obj_ids` lists are not among them.
 */
export function objectsOf(outputs: Outputs): FrameObject[] {
  const maskAt = maskReader(outputs);
  return outputs.out_obj_ids.map((id, index) => {
    const prob = outputs.out_probs[index];
    const boxXywh = outputs.out_boxes_xywh[index];
    const mask = maskAt(index);
    if (prob === undefined || boxXywh === undefined || mask === undefined) {
      throw new RangeError(
        `expected as many probabilities, boxes and masks as ids, ${outputs.out_obj_ids.length}`,
      );
    }
    return {
      id,
      prob,
      boxXywh,
      get rle() {
        return mask.toRle();
      },
      decodeMask: mask.toPixels,
    };
  });
}

interface AnyMask {
  toRle(): CocoRle;
  toPixels(): Mask;
}

/** Returns the mask at a position, undefined when the list of masks is shorter. */
function maskReader(outputs: Outputs): (index: number) => AnyMask | undefined {
  const { out_binary_masks, out_packed_masks, out_polygons, out_png_masks, out_label_map } = outputs;
  const at = <T>(list: readonly T[], toMask: (entry: T) => AnyMask) => {
    return (index: number) => {
      const entry = list[index];
      return entry === undefined ? undefined : toMask(entry);
    };
  };
  if (out_binary_masks) return at(out_binary_masks, (rle) => fromRle(() => rle));
  if (out_packed_masks) {
    return at(out_packed_masks, (bytes) => ({
      toRle: () => unpackRle(bytes),
      toPixels: () => unpackMask(bytes),
    }));
  }
  const { out_mask_size: size } = outputs;
  if (out_polygons && size) return at(out_polygons, (rings) => fromRle(() => rleOfPolygons(rings, size)));
  if (out_png_masks) return at(out_png_masks, (png) => fromPixels(() => maskOfPng(png)));
  if (out_label_map !== undefined) {
    let labels: LabelMap | undefined;
    return (index) =>
      fromPixels(() => {
        labels ??= decodeLabelMap(out_label_map);
        return maskOfLabel(labels, index + 1);
      });
  }
  return () =>
    fromPixels(() => {
      throw new RangeError("expected masks in these outputs, got none: mask_format is none");
    });
}

const fromRle = (toRle: () => CocoRle): AnyMask => ({ toRle, toPixels: () => decodeMask(toRle()) });

function fromPixels(toPixels: () => Mask): AnyMask {
  return {
    toRle() {
      const { data, width, height } = toPixels();
      return encodeMask(data, width, height);
    },
    toPixels,
  };
}
