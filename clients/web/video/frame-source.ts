import type { FramePicture } from "./frame-picture.js";

/** The pictures of the frames of one video. */
export interface FrameSource {
  readonly kind: "webcodecs" | "jpeg";
  /** Why the browser does not decode the video itself. Only with `jpeg`. */
  readonly reason?: string;
  /**
   * The picture of frame n of the server. It belongs to the source: draw it at once, and do not close it.
   * Rejects with the reason of the signal when that is aborted.
   */
  get(frame: number, signal: AbortSignal): Promise<FramePicture>;
  /** The picture if it is in memory. */
  peek(frame: number): FramePicture | undefined;
  /** The frame in memory that is nearest to `frame`. */
  nearest(frame: number): number | undefined;
  /** Calls the listener for each picture that arrives in memory. Returns the function that removes it. */
  onPicture(listener: (frame: number) => void): () => void;
  /** Loads the frames from `frame` on in the direction of `step`, in the background. */
  prefetch(frame: number, step: 1 | -1): void;
  dispose(): void;
}
