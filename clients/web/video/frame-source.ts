/** The pictures of the frames of one video. */
export interface FrameSource {
  readonly kind: "webcodecs" | "jpeg";
  /** Why the browser does not decode the video itself. Only with `jpeg`. */
  readonly reason?: string;
  /**
   * The picture of frame n of the server. The picture belongs to the source: do not close it, and draw it at once.
   * Rejects with an AbortError when the signal is aborted.
   */
  get(frame: number, signal: AbortSignal): Promise<ImageBitmap>;
  /** The picture if it is in memory. */
  peek(frame: number): ImageBitmap | undefined;
  /** Loads the frames from `frame` on in the direction of `step`, in the background. */
  prefetch(frame: number, step: 1 | -1): void;
  dispose(): void;
}
