/**
 * Masks and shapes of CVAT. The points of a mask are run lengths of the rows in its box, background first, then the first and
 * the last column and row of the box: `[…runs, x0, y0, x1, y1]`.
 */
import {
  type CocoRle,
  decodeMask,
  maskArea,
  maskBox,
  ProtocolError,
  polygonsOf,
} from "../../../protocol/index.js";
import { connectedParts } from "../../exports/mask-sets.js";
import { maskOfRowRuns, rowRunsOf } from "../../exports/row-runs.js";
import type { Size } from "../pixels.js";
import type { ShapeType } from "./schemas.js";

/** Polygons move by at most this many pixels. */
const TOLERANCE_PX = 1;

/** The part of a mask inside the picture. @throws ProtocolError invalid_field for points that are no mask */
export function readMask(points: readonly number[], [width, height]: Size, field: string): CocoRle {
  const runs = points.slice(0, -4);
  const [x0 = 0, y0 = 0, x1 = -1, y1 = -1] = points.slice(-4);
  const [columns, rows] = [x1 - x0 + 1, y1 - y0 + 1];
  const pixels = runs.reduce((sum, run) => sum + run, 0);
  const areWhole = points.every(Number.isSafeInteger) && runs.every((run) => run >= 0);
  if (!areWhole || columns < 1 || rows < 1 || columns > width || rows > height || pixels !== columns * rows) {
    const message = `${field}: expected run lengths of a box inside ${width} x ${height} pixels and its corners, got a box of ${columns} x ${rows} with runs of ${pixels} pixels.`;
    throw new ProtocolError("invalid_field", message, field);
  }
  return maskOfRowRuns(runs, [x0, y0, columns, rows], [height, width]);
}

/** The points of a mask as a shape; null for a mask without pixels. */
export function pointsOf(mask: CocoRle, type: ShapeType): number[] | null {
  if (maskArea(mask) === 0) return null;
  if (type === "polygon") return outlineOf(mask);
  const [x, y, width, height] = maskBox(mask);
  if (type === "rectangle") return [x, y, x + width, y + height];
  return [...rowRunsOf(mask).runs, x, y, x + width - 1, y + height - 1];
}

/** The largest outline. Polygons of CVAT have no holes. */
function outlineOf(mask: CocoRle): number[] {
  const [largest = mask] = connectedParts(mask).sort((a, b) => maskArea(b) - maskArea(a));
  const [ring = []] = polygonsOf(largest, TOLERANCE_PX).sort((a, b) => areaOf(b) - areaOf(a));
  return ring;
}

/** Of a ring, in pixels. */
function areaOf(ring: readonly number[]): number {
  let sum = 0;
  let [x0, y0] = ring.slice(-2) as [number, number];
  for (let at = 0; at + 1 < ring.length; at += 2) {
    const [x1, y1] = [ring[at] as number, ring[at + 1] as number];
    sum += x0 * y1 - x1 * y0;
    [x0, y0] = [x1, y1];
  }
  return Math.abs(sum) / 2;
}

/** The JSON of a mask as rows of 0 and 1. */
export function rowsOf(mask: CocoRle): string {
  const { data, width } = decodeMask(mask);
  const rows: string[] = [];
  for (let at = 0; at < data.length; at += width) rows.push(`[${data.subarray(at, at + width).join()}]`);
  return `[${rows.join()}]`;
}

/** The JSON of a detection: the pixels of its box and its corners, and its outline for those who prefer polygons. */
export function detectionOf(mask: CocoRle, label: string, confidence: number): string {
  const [left, top, width, height] = maskBox(mask);
  const { data, width: stride } = decodeMask(mask);
  const rows: string[] = [];
  for (let y = top; y < top + height; y++)
    rows.push(data.subarray(y * stride + left, y * stride + left + width).join());
  const corners = [left, top, left + width - 1, top + height - 1];
  const facts = { label, confidence: String(confidence), type: "mask", points: outlineOf(mask) };
  return `${JSON.stringify(facts).slice(0, -1)},"mask":[${rows.join()},${corners.join()}]}`;
}
