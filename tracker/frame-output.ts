/** The result of a session for one frame, and the requests of a propagation. */
import type { CocoRle } from "../protocol/rle.js";
import type { Judgement, ObjectState } from "./object-states.js";

/** x, y, width, height relative to the frame, 0..1. */
export type BoxXywh = [number, number, number, number];

export interface ObjectOutput {
  objectId: number;
  /** Confidence, 0..1. */
  prob: number;
  /** Tight box of the mask, relative to the frame; see `sam3Parity.boxes` of the policy for its right and bottom edges. */
  boxXywh: BoxXywh;
  /** At the size of the video. */
  mask: CocoRle;
  /** The tracker's judgement of the mask; absent for masks that were not tracked. */
  judged?: Judgement;
}

/** The result for one frame. Objects without a pixel are left out, except under `sam3Parity.boxes: "sam3"`; ids ascend. */
export interface FrameOutput {
  frameIndex: number;
  objects: ObjectOutput[];
  /** The objects without a mask that are neither hidden nor removed; ids ascend. Absent: not known. */
  unseen?: readonly ObjectState[];
  /** Objects in the session after this frame, and new detections beyond the object limit. */
  stats: { tracked: number; dropped: number };
}

/** One direction of a propagation. */
export interface PassRequest {
  reverse: boolean;
  /** Inclusive, in the order of travel. */
  firstFrame: number;
  lastFrame: number;
  /** The start frame of the request; null when the request has none. */
  startFrame: number | null;
  /** Tracks only these objects, without detection. Absent: the session chooses the mode and the objects. */
  objectIds?: readonly number[];
}

export interface PassStart {
  /** `fetch`: the caller reads stored results with `fetch`. `full` and `partial`: the caller steps through the frames. */
  mode: "full" | "partial" | "fetch";
  /** The masks of earlier passes that objects need before the first step; absent: none. */
  recall?: RecallNeed;
}

/** The masks that a pass needs from earlier passes, see `recall.ts`. */
export interface RecallNeed {
  /** `known`: frames within reach whose memories the object has. */
  objects: { objectId: number; known: number[] }[];
  /** Masks per object: those nearest to the first frame, before it in the order of travel. */
  masksPerObject: number;
  /** Maximum distance of these masks from the first frame, in frames. */
  maxDistance: number;
}
