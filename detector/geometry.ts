/** Boxes relative to the frame, 0..1, in three forms: xywh (protocol), xyxy (masks) and cxcywh (detector). */

/** Left, top, width, height. */
export type BoxXywh = readonly [x: number, y: number, width: number, height: number];
/** Left, top, right, bottom. */
export type BoxXyxy = readonly [x0: number, y0: number, x1: number, y1: number];
/** Centre, width, height. */
export type BoxCxcywh = readonly [cx: number, cy: number, width: number, height: number];

export function xywhToCxcywh([x, y, width, height]: BoxXywh): BoxCxcywh {
  return [x + width / 2, y + height / 2, width, height];
}

export function xywhToXyxy([x, y, width, height]: BoxXywh): BoxXyxy {
  return [x, y, x + width, y + height];
}

export function xyxyToCxcywh([x0, y0, x1, y1]: BoxXyxy): BoxCxcywh {
  return [(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0];
}

export function cxcywhToXyxy([cx, cy, width, height]: BoxCxcywh): BoxXyxy {
  return [cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2];
}

export function boxArea([x0, y0, x1, y1]: BoxXyxy): number {
  return Math.max(0, x1 - x0) * Math.max(0, y1 - y0);
}

export function boxIntersection(a: BoxXyxy, b: BoxXyxy): number {
  return boxArea([Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3])]);
}

/** 0 when either box is empty. */
export function boxIou(a: BoxXyxy, b: BoxXyxy): number {
  const shared = boxIntersection(a, b);
  return shared === 0 ? 0 : shared / (boxArea(a) + boxArea(b) - shared);
}
