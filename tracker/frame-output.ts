/** What a session returns for one frame. */
import type { CocoRle } from "../protocol/rle.js";

/** x, y, width, height relative to the frame, 0..1. */
export type BoxXywh = [number, number, number, number];

export interface ObjectOutput {
  objectId: number;
  /** 0..1. */
  prob: number;
  /** Tight box of the mask; the right and bottom edges are exclusive. */
  boxXywh: BoxXywh;
  /** At the size of the video. */
  mask: CocoRle;
}

/** The result for one frame. Objects whose mask is empty are left out; ids ascend. */
export interface FrameOutput {
  frameIndex: number;
  objects: ObjectOutput[];
  stats: { tracked: number; dropped: number };
}

/** One direction of a propagation. */
export interface PassRequest {
  reverse: boolean;
  /** Inclusive, in the order of travel. */
  firstFrame: number;
  lastFrame: number;
  /** The frame that the client named to start from; null when it named none. */
  startFrame: number | null;
}

export interface PassStart {
  /** `fetch`: every frame is known already, and `fetch` shows it; otherwise the frames are stepped through. */
  mode: "full" | "partial" | "fetch";
}
