/** Where the frame is on the stage. Stage coordinates are CSS pixels of the canvas; frame coordinates are pixels of the video. */
export interface StageView {
  /** CSS pixels per pixel of the frame. */
  readonly scale: number;
  /** Where the top left corner of the frame is, in CSS pixels. */
  readonly x: number;
  readonly y: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

const MARGIN_PX = 12;
const MAX_SCALE = 40;

/** The whole frame in the middle of the stage. */
export function fitView(stage: Size, frame: Size): StageView {
  const scale = Math.max(
    0.01,
    Math.min((stage.width - 2 * MARGIN_PX) / frame.width, (stage.height - 2 * MARGIN_PX) / frame.height),
  );
  return {
    scale,
    x: (stage.width - frame.width * scale) / 2,
    y: (stage.height - frame.height * scale) / 2,
  };
}

export const toFrame = ({ scale, x, y }: StageView, point: Point): Point => ({
  x: (point.x - x) / scale,
  y: (point.y - y) / scale,
});

export const toStage = ({ scale, x, y }: StageView, point: Point): Point => ({
  x: point.x * scale + x,
  y: point.y * scale + y,
});

/** Zooms with the frame's pixel under `centre` in its place. Not smaller than half of the fit. */
export function zoomAt(view: StageView, centre: Point, factor: number, fit: StageView): StageView {
  const scale = Math.min(MAX_SCALE, Math.max(fit.scale / 2, view.scale * factor));
  const ratio = scale / view.scale;
  return { scale, x: centre.x - (centre.x - view.x) * ratio, y: centre.y - (centre.y - view.y) * ratio };
}

/** Moves the frame, of which a part always stays visible. */
export function panBy(view: StageView, dx: number, dy: number, stage: Size, frame: Size): StageView {
  const keep = 60;
  const limit = (value: number, size: number, length: number) =>
    Math.min(size - keep, Math.max(keep - length, value));
  return {
    scale: view.scale,
    x: limit(view.x + dx, stage.width, frame.width * view.scale),
    y: limit(view.y + dy, stage.height, frame.height * view.scale),
  };
}

export const isInside = ({ x, y }: Point, { width, height }: Size): boolean =>
  x >= 0 && y >= 0 && x < width && y < height;

/** The nearest point of the frame. */
export const clampTo = ({ x, y }: Point, { width, height }: Size): Point => ({
  x: Math.min(width, Math.max(0, x)),
  y: Math.min(height, Math.max(0, y)),
});

/** x, y, width and height of the box between two corners, inside the frame. */
export function boxBetween(a: Point, b: Point, frame: Size): [number, number, number, number] {
  const from = clampTo(a, frame);
  const to = clampTo(b, frame);
  return [Math.min(from.x, to.x), Math.min(from.y, to.y), Math.abs(to.x - from.x), Math.abs(to.y - from.y)];
}
