/** Masks as polygons without holes, for formats whose polygons have none. */
import { type CocoRle, decodeMask, polygonsOf, type Ring, rleOfPolygons } from "../../protocol/index.js";
import { maskIou } from "./mask-sets.js";

/** Simplified outlines keep at least this IoU with the mask. */
const LEAST_IOU = 0.98;

interface Piece {
  /** Runs clockwise on the screen, where y points down. */
  outer: Ring;
  exact: Ring;
  /** Run anticlockwise. */
  holes: Ring[];
}

/**
 * One ring for each connected piece of the mask; holes belong to their ring by a bridge without width, so that even-odd and
 * non-zero filling give the same picture.
 * @param tolerancePx largest distance by which an outline moves. It is reduced where the IoU with the mask would fall below 0.98
 */
export function piecesOf(mask: CocoRle, tolerancePx: number): Ring[] {
  const exact = polygonsOf(mask, 0);
  const rings = simplified(mask, exact, tolerancePx);
  const { data, width } = decodeMask(mask);
  const pieces: Piece[] = [];
  const holes: { ring: Ring; x: number; y: number }[] = [];
  exact.forEach((ring, at) => {
    const [x, y] = leftmost(ring);
    const simple = rings[at] as Ring;
    // The pixel to the right of the leftmost side is inside the ring.
    if (data[y * width + x] === 1) pieces.push({ outer: turning(simple, 1), exact: ring, holes: [] });
    else holes.push({ ring: turning(simple, -1), x: x - 0.5, y: y + 0.5 });
  });
  for (const { ring, x, y } of holes) {
    const around = pieces.filter(({ exact }) => contains(exact, x, y));
    around.sort((a, b) => Math.abs(doubleArea(a.exact)) - Math.abs(doubleArea(b.exact)));
    around[0]?.holes.push(ring);
  }
  return pieces.map(({ outer, holes }) => holes.reduce(bridge, outer));
}

/** One ring for the whole mask: its pieces are joined by bridges without width. Undefined for an empty mask. */
export function outlineOf(mask: CocoRle, tolerancePx: number): Ring | undefined {
  const [first, ...others] = piecesOf(mask, tolerancePx).sort(
    (a, b) => Math.abs(doubleArea(b)) - Math.abs(doubleArea(a)),
  );
  return first && others.reduce(bridge, first);
}

function simplified(mask: CocoRle, exact: Ring[], tolerancePx: number): Ring[] {
  for (const tolerance of [tolerancePx, tolerancePx / 2, tolerancePx / 4]) {
    if (tolerance === 0) break;
    const rings = polygonsOf(mask, tolerance);
    if (maskIou(rleOfPolygons(rings, mask.size), mask) >= LEAST_IOU) return rings;
  }
  return exact;
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

function contains(ring: Ring, x: number, y: number): boolean {
  let isInside = false;
  let [x0, y0] = ring.slice(-2) as [number, number];
  for (let at = 0; at < ring.length; at += 2) {
    const [x1, y1] = [ring[at] as number, ring[at + 1] as number];
    if (y0 > y !== y1 > y && x < x0 + ((x1 - x0) * (y - y0)) / (y1 - y0)) isInside = !isInside;
    [x0, y0] = [x1, y1];
  }
  return isInside;
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
