/** One pass over the clip. */
export interface Pass {
  frames: number;
  /** On all frames together. */
  objects: number;
  seconds: number;
}

/** What is compared, with its model loaded. */
export interface Side {
  name: string;
  /** @param frames how many of the clip, from the first; all of it when not said */
  pass(frames?: number): Promise<Pass>;
  close(): Promise<void>;
}

/** A phrase for SAM 3; for SAM 2.1 and EdgeTAM boxes `x,y,w,h` in pixels of the video, one for each object. */
export type BenchPrompt = { text: string } | { boxes: readonly string[] };
