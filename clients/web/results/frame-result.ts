/** The results of one frame, as the page keeps them. */
import type { FrameMessage, Outputs } from "../../typescript/index.js";

export type ObjectState = Outputs["out_states"][number];

export interface ResultObject {
  readonly id: number;
  readonly score: number;
  /** x, y, width, height; 0 to 1 of the frame. */
  readonly boxXywh: readonly [number, number, number, number];
  readonly state?: ObjectState;
  /** Packed, see PROTOCOL.md "Packed masks". */
  readonly mask: Uint8Array;
}

export interface FrameResult {
  readonly frame: number;
  readonly timestampUs: number | null;
  readonly objects: readonly ResultObject[];
  /** Of every object, also without a mask. */
  readonly states: readonly ObjectState[];
}

/** @param answer a `frame` message, or the answer to `add_prompt`, with packed masks */
export function frameResultOf(answer: {
  frame_index: number;
  timestamp_us?: FrameMessage["timestamp_us"];
  outputs: Outputs;
}): FrameResult {
  const { outputs, frame_index: frame, timestamp_us: timestampUs = null } = answer;
  const states = new Map(outputs.out_states.map((state) => [state.obj_id, state]));
  const objects = outputs.out_obj_ids.map((id, at): ResultObject => {
    const state = states.get(id);
    return {
      id,
      score: outputs.out_probs[at] ?? 0,
      boxXywh: outputs.out_boxes_xywh[at] ?? [0, 0, 0, 0],
      ...(state && { state }),
      // A copy: a view would keep the whole message in memory.
      mask: outputs.out_packed_masks?.[at]?.slice() ?? new Uint8Array(),
    };
  });
  return { frame, timestampUs, objects, states: outputs.out_states };
}

/** The result with the arrays of masks that are held already, so that their outlines are not computed again. */
export function withHeldMasks(result: FrameResult, held: FrameResult | undefined): FrameResult {
  if (!held) return result;
  const masks = new Map(held.objects.map(({ id, mask }) => [id, mask]));
  const objects = result.objects.map((object) => {
    const mask = masks.get(object.id);
    return mask && isSame(mask, object.mask) ? { ...object, mask } : object;
  });
  return { ...result, objects };
}

const isSame = (a: Uint8Array, b: Uint8Array) =>
  a.length === b.length && a.every((value, at) => value === b[at]);

/** About what the result takes in memory. */
export const bytesOf = ({ objects, states }: FrameResult): number =>
  objects.reduce((sum, { mask }) => sum + mask.length + 250, 100 + 150 * states.length);
