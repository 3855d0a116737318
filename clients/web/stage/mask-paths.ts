/** Outlines of packed masks as paths: filled, drawn as lines, and asked which pixel is inside, at any zoom. */
import { unpackRle } from "../../../protocol/packed-mask.js";
import { polygonsOf } from "../../../protocol/polygons.js";
import type { FrameResult } from "../results/frame-result.js";
import type { Point } from "./coordinates.js";

/** Outlines move by less than a pixel, which rounds the steps of pixels. */
const TOLERANCE_PX = 0.75;

/** By mask, so that a path lives as long as its mask is in memory. */
const paths = new WeakMap<Uint8Array, Path2D>();

/** In pixels of the frame; to be filled by the even-odd rule. */
export function pathOf(mask: Uint8Array): Path2D {
  let path = paths.get(mask);
  if (!path) {
    path = toPath(mask);
    paths.set(mask, path);
  }
  return path;
}

function toPath(mask: Uint8Array): Path2D {
  const path = new Path2D();
  for (const ring of polygonsOf(unpackRle(mask), TOLERANCE_PX)) {
    for (let at = 0; at + 1 < ring.length; at += 2) {
      const [x, y] = [ring[at] as number, ring[at + 1] as number];
      if (at === 0) path.moveTo(x, y);
      else path.lineTo(x, y);
    }
    path.closePath();
  }
  return path;
}

let probe: OffscreenCanvasRenderingContext2D | undefined;

/** The topmost visible object at a point of the frame. Selected objects come first: they are drawn on top. */
export function objectAt(
  result: FrameResult | undefined,
  { x, y }: Point,
  isVisible: (id: number) => boolean,
  selected: ReadonlySet<number>,
): number | undefined {
  probe ??= new OffscreenCanvas(1, 1).getContext("2d") as OffscreenCanvasRenderingContext2D;
  const hits = (result?.objects ?? []).filter(
    ({ id, mask }) => isVisible(id) && probe?.isPointInPath(pathOf(mask), x, y, "evenodd"),
  );
  return (hits.find(({ id }) => selected.has(id)) ?? hits.at(-1))?.id;
}
