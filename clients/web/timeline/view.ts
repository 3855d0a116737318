/** Which frames the timeline shows, and where: zoom and scroll, as pure functions. */

export interface View {
  readonly numFrames: number;
  /** Width of the lanes in CSS pixels. */
  readonly widthPx: number;
  /** The frame at the left edge; may be a fraction. */
  readonly firstFrame: number;
  readonly pxPerFrame: number;
}

/** Widest drawing of one frame. */
export const MAX_PX_PER_FRAME = 48;

/** Shows all frames. */
export function fitAll(numFrames: number, widthPx: number): View {
  const frames = Math.max(1, numFrames);
  const width = Math.max(1, widthPx);
  return { numFrames: frames, widthPx: width, firstFrame: 0, pxPerFrame: width / frames };
}

/** The left edge of a frame in pixels from the left edge of the lanes. */
export const xOf = ({ firstFrame, pxPerFrame }: View, frame: number): number =>
  (frame - firstFrame) * pxPerFrame;

/** The frame at a distance from the left edge, limited to the video. */
export function frameAt(view: View, x: number): number {
  const frame = Math.floor(view.firstFrame + x / view.pxPerFrame);
  return Math.min(view.numFrames - 1, Math.max(0, frame));
}

/** First and last frame of which a part is visible. */
export function visibleFrames(view: View): { first: number; last: number } {
  return { first: frameAt(view, 0), last: frameAt(view, view.widthPx - 0.001) };
}

/** Scales by a factor around the position `x`, whose frame keeps its place. The video always fills the width. */
export function zoomAt(view: View, x: number, factor: number): View {
  const { numFrames, widthPx } = view;
  const smallest = widthPx / numFrames;
  const pxPerFrame = Math.min(
    Math.max(MAX_PX_PER_FRAME, smallest),
    Math.max(smallest, view.pxPerFrame * factor),
  );
  return scrollTo({ ...view, pxPerFrame }, view.firstFrame + x / view.pxPerFrame - x / pxPerFrame);
}

/** Moves the left edge to a frame, as far as the video allows. */
export function scrollTo(view: View, firstFrame: number): View {
  const lastStart = Math.max(0, view.numFrames - view.widthPx / view.pxPerFrame);
  return { ...view, firstFrame: Math.min(lastStart, Math.max(0, firstFrame)) };
}

/** Keeps the frames of the view when the width changes. A view of all frames still shows all of them. */
export function resized(view: View, widthPx: number): View {
  const isWhole = view.pxPerFrame * view.numFrames <= view.widthPx + 0.5;
  if (isWhole) return fitAll(view.numFrames, widthPx);
  const width = Math.max(1, widthPx);
  const pxPerFrame = Math.max(width / view.numFrames, view.pxPerFrame);
  return scrollTo({ ...view, widthPx: width, pxPerFrame }, view.firstFrame);
}

/** Scrolls so that a frame is visible. Returns the same view when it is visible already. */
export function reveal(view: View, frame: number): View {
  const x = xOf(view, frame);
  if (x >= -0.5 && x + view.pxPerFrame <= view.widthPx + 0.5) return view;
  return scrollTo(view, frame + 0.5 - view.widthPx / view.pxPerFrame / 2);
}
