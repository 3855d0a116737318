/** Masks as polygons without holes, for formats whose polygons have none. */
import { type CocoRle, polygonsOf, type Ring, rleOfPolygons } from "../../protocol/index.js";
import { connectedParts, maskIou } from "./mask-sets.js";

/** Simplified outlines keep at least this IoU with the mask. */
const LEAST_IOU = 0.98;

/**
 * One ring for each piece of the mask, that is for each set of pixels connected by their sides.
 * @param tolerancePx as for {@link outlineOfPart}
 */
export function piecesOf(mask: CocoRle, tolerancePx: number): Ring[] {
  return connectedParts(mask).map((part) => outlineOfPart(part, tolerancePx, LEAST_IOU));
}

/**
 * The ring of a mask whose pixels are connected. Holes belong to it by a bridge without width, so that even-odd and non-zero
 * filling give the same picture.
 * @param tolerancePx largest distance by which the outline moves. It is reduced where the IoU with the mask would fall below
 * `leastIou`
 */
export function outlineOfPart(part: CocoRle, tolerancePx: number, leastIou: number): Ring {
  const rings = simplifiedRings(part, tolerancePx, leastIou);
  rings.sort((a, b) => Math.abs(doubleArea(b)) - Math.abs(doubleArea(a)));
  return rings.map((ring, at) => turning(ring, at === 0 ? 1 : -1)).reduce(bridge);
}

/** One ring for the whole mask: its pieces are joined by bridges without width. Undefined for an empty mask. */
export function outlineOf(mask: CocoRle, tolerancePx: number): Ring | undefined {
  const pieces = piecesOf(mask, tolerancePx);
  if (pieces.length === 0) return undefined;
  pieces.sort((a, b) => Math.abs(doubleArea(b)) - Math.abs(doubleArea(a)));
  const ring = pieces.reduce(bridge);
  // Simplified pieces that touch can overlap, and even-odd filling removes the overlap.
  const isClose = tolerancePx === 0 || maskIou(rleOfPolygons([ring], mask.size), mask) >= LEAST_IOU;
  return isClose ? ring : outlineOf(mask, 0);
}

function simplifiedRings(mask: CocoRle, tolerancePx: number, leastIou: number): Ring[] {
  for (const tolerance of [tolerancePx, tolerancePx / 2, tolerancePx / 4]) {
    if (tolerance === 0) break;
    const rings = polygonsOf(mask, tolerance);
    if (leastIou === 0 || maskIou(rleOfPolygons(rings, mask.size), mask) >= leastIou) return rings;
  }
  return polygonsOf(mask, 0);
}

/** The top corner of the leftmost side. */
function leftmost(ring: Ring): [x: number, y: number] {
  let best = 0;
  for (let at = 2; at < ring.length; at += 2) {
    const [x, y] = [ring[at] as number, ring[at + 1] as number];
    const [bestX, bestY] = [ring[best] as number, ring[best + 1] as number];
    if (x < bestX || (x === bestX && y < bestY)) best = at;
  }
  return [ring[best] as number, ring[best + 1] as number];
}

function doubleArea(ring: Ring): number {
  let sum = 0;
  let [x0, y0] = ring.slice(-2) as [number, number];
  for (let at = 0; at < ring.length; at += 2) {
    const [x1, y1] = [ring[at] as number, ring[at + 1] as number];
    sum += x0 * y1 - x1 * y0;
    [x0, y0] = [x1, y1];
  }
  return sum;
}

function turning(ring: Ring, sign: 1 | -1): Ring {
  return doubleArea(ring) * sign >= 0 ? ring : reversed(ring);
}

function reversed(ring: Ring): Ring {
  const turned: Ring = [];
  for (let at = ring.length - 2; at >= 0; at -= 2) turned.push(ring[at] as number, ring[at + 1] as number);
  return turned;
}

/** Inserts a ring into another one: from its nearest corner to the leftmost corner of the inserted ring, and back. */
function bridge(outer: Ring, inner: Ring): Ring {
  const [x, y] = leftmost(inner);
  const start = indexOfCorner(inner, x, y);
  let nearest = 0;
  let shortest = Number.POSITIVE_INFINITY;
  for (let at = 0; at < outer.length; at += 2) {
    const distance = Math.hypot((outer[at] as number) - x, (outer[at + 1] as number) - y);
    if (distance < shortest) [nearest, shortest] = [at, distance];
  }
  return [
    ...outer.slice(0, nearest + 2),
    ...inner.slice(start),
    ...inner.slice(0, start + 2),
    ...outer.slice(nearest),
  ];
}

function indexOfCorner(ring: Ring, x: number, y: number): number {
  for (let at = 0; at < ring.length; at += 2) if (ring[at] === x && ring[at + 1] === y) return at;
  return 0;
}
