/**
 * The Model Pack contract: the input and output tensors of each graph, with the sizes of the pack.
 *
 * A number in a shape is constant. A letter varies between calls: B objects, M memories, P pointers,
 * N points, C concepts, E exemplar boxes, h and w the side of a mask, H and W the size of the video.
 */
import { detects, type GraphRole, type Manifest } from "./manifest.js";

export type TensorType = "float32" | "int32" | "uint8";

export interface TensorSpec {
  name: string;
  type: TensorType;
  shape: readonly (number | string)[];
  /** May be absent from a pack. */
  optional?: true;
}

export interface GraphSpec {
  inputs: readonly TensorSpec[];
  outputs: readonly TensorSpec[];
}

type Shape = TensorSpec["shape"];
const f32 = (name: string, ...shape: Shape): TensorSpec => ({ name, type: "float32", shape });
const i32 = (name: string, ...shape: Shape): TensorSpec => ({ name, type: "int32", shape });
const u8 = (name: string, ...shape: Shape): TensorSpec => ({ name, type: "uint8", shape });
const optional = (spec: TensorSpec): TensorSpec => ({ ...spec, optional: true });

export function packContract(
  manifest: Pick<Manifest, "geometry" | "bank" | "capabilities">,
): Record<GraphRole, GraphSpec> {
  const { S, g, D, Dm, T, m } = manifest.geometry;
  // A pack that does not detect lacks these sizes; the letters accept any size.
  const { Ct = "Ct", L = "L", K = "K" } = manifest.geometry;
  const trunk = f32("trunk", 1, Ct, g, g);
  const feat = f32("feat", 1, D, g, g);
  const features = [feat, f32("feat_s1", 1, D / 4, 2 * g, 2 * g), f32("feat_s0", 1, D / 8, 4 * g, 4 * g)];
  const points = [f32("points", "B", "N", 2), i32("labels", "B", "N")];
  const maskInput =
    manifest.capabilities.maskInput === false ? [] : [f32("mask_in", "B", 1, m, m), f32("has_mask", "B")];
  const pointerTime = manifest.bank.pointerTime === "none" ? [] : [f32("pointer_dt", "B", "P")];
  return {
    encode: {
      inputs: [u8("image", 1, S, S, 3)],
      outputs: [...features, detects(manifest.capabilities) ? trunk : optional(trunk)],
    },
    text: {
      inputs: [i32("input_ids", "C", L), i32("attention_mask", "C", L)],
      outputs: [f32("text", "C", L, D)],
    },
    detect: {
      inputs: [
        trunk,
        f32("text", "C", L, D),
        i32("text_mask", "C", L),
        f32("boxes", "C", "E", 4),
        i32("box_labels", "C", "E"),
        // The width of the frame divided by its height, before it was resized to S x S.
        optional(f32("aspect", 1)),
      ],
      outputs: [
        f32("scores", "C", K),
        f32("boxes_out", "C", K, 4),
        f32("masks", "C", K, m, m),
        f32("presence", "C"),
        // The index of the model's query for each detection. The reference assigns new object ids in this order.
        optional(i32("query", "C", K)),
      ],
    },
    segment: {
      inputs: [...features, ...points, ...maskInput],
      outputs: [
        f32("masks", "B", 4, m, m),
        f32("iou", "B", 4),
        f32("stability", "B"),
        f32("score", "B"),
        f32("pointer", "B", 4, D),
        i32("best", "B"),
      ],
    },
    seed: {
      inputs: [...features, f32("mask", "B", 1, "h", "w")],
      outputs: [f32("pointer", "B", D), f32("score", "B"), f32("mask_logits", "B", 1, m, m)],
    },
    track: {
      inputs: [
        ...features,
        f32("memory", "B", "M", T, Dm),
        i32("memory_t", "B", "M"),
        f32("pointers", "B", "P", D),
        ...pointerTime,
        ...points,
      ],
      outputs: [f32("mask", "B", 1, m, m), f32("score", "B"), f32("iou", "B"), f32("pointer", "B", D)],
    },
    remember: {
      inputs: [feat, f32("mask", "B", 1, "h", "w"), f32("score", "B"), f32("binarize", "B")],
      outputs: [f32("memory", "B", T, Dm)],
    },
    // Enlarges bilinearly with half-pixel centres: large pictures are rendered without it, see tracker/masks/large-mask.ts.
    render: {
      inputs: [f32("mask", "B", 1, m, m), i32("size", 2), f32("threshold")],
      outputs: [
        u8("bits", "B", "H", "W"),
        i32("area", "B"),
        i32("bbox", "B", 4),
        optional(u8("labels", "H", "W")),
      ],
    },
  };
}
