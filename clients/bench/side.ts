/** One pass over the clip. */
export interface Pass {
  frames: number;
  /** Sum over all frames. */
  objects: number;
  seconds: number;
}

/** One side of the comparison, with its model loaded. */
export interface Side {
  name: string;
  /** @param frames number of frames from the first one; default: all */
  pass(frames?: number): Promise<Pass>;
  close(): Promise<void>;
}

/** A phrase for SAM 3; for SAM 2.1 and EdgeTAM boxes `x,y,w,h` in pixels of the video, one for each object. */
export type BenchPrompt = { text: string } | { boxes: readonly string[] };
