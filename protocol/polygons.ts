/**
 * Masks as polygons. Coordinates are those of the edges of pixels: 0 is the left or top edge of the picture. A pixel belongs
 * to the mask when its centre is inside an odd number of rings.
 */
import { type CocoRle, rleOfTurns, turnsOf } from "./rle.js";

/** One closed line: x and y of its corners by turns. */
export type Ring = number[];

/** A ring is moved by at most this share of its area divided by its length, so that small and thin pieces stay. */
const LARGEST_CHANGE = 0.1;

/**
 * The outlines of the mask, holes as rings of their own, with fewer corners. An outline moves by at most `tolerancePx`, and
 * by less where that would change more than a tenth of its area. With 0 the polygons are exact.
 * @throws RangeError when the text is not an RLE of its size.
 */
export function polygonsOf(rle: CocoRle, tolerancePx: number): Ring[] {
  return outlinesOf(rle).map((outline) => simplify(outline, tolerancePx));
}

/** @param size height, width. Parts of the rings outside are ignored. */
export function rleOfPolygons(
  rings: readonly (readonly number[])[],
  [height, width]: CocoRle["size"],
): CocoRle {
  const columns: number[][] = Array.from({ length: width }, () => []);
  for (const ring of rings) {
    let [x0, y0] = ring.slice(-2) as [number, number];
    for (let at = 0; at + 1 < ring.length; at += 2) {
      const [x1, y1] = [ring[at] as number, ring[at + 1] as number];
      addEdge(columns, height, x0 < x1 ? [x0, y0, x1, y1] : [x1, y1, x0, y0]);
      [x0, y0] = [x1, y1];
    }
  }
  const turns: number[] = [];
  columns.forEach((rows, column) => {
    rows.sort((a, b) => a - b);
    for (const row of rows) {
      const turn = column * height + row;
      if (turns[turns.length - 1] === turn) turns.pop();
      else turns.push(turn);
    }
  });
  return rleOfTurns(Int32Array.from(turns), [height, width]);
}

/** Adds the first row below the edge to each column whose centre the edge crosses. */
function addEdge(
  columns: number[][],
  height: number,
  [x0, y0, x1, y1]: [number, number, number, number],
): void {
  const last = Math.min(columns.length, Math.ceil(x1 - 0.5));
  for (let column = Math.max(0, Math.ceil(x0 - 0.5)); column < last; column++) {
    const y = y0 + ((y1 - y0) * (column + 0.5 - x0)) / (x1 - x0);
    columns[column]?.push(Math.min(height, Math.max(0, Math.ceil(y - 0.5))));
  }
}

/**
 * The edges of the pixels of the mask, joined to rings whose sides are horizontal and vertical by turns.
 *
 * At the line between two columns, a row at which both turn continues a horizontal side. All other turns are corners there,
 * and the vertical sides join them in pairs, because the pixels on both sides of the line differ between them.
 */
function outlinesOf(rle: CocoRle): Ring[] {
  const [height] = rle.size;
  const corners: Ring = [];
  /** The other end of the horizontal side of each corner. The other end of its vertical side is `corner ^ 1`. */
  const across: number[] = [];
  /** Corners whose horizontal side continues to the right, by row. */
  const open = new Map<number, number>();
  let before: number[] = [];
  for (const { column, rows } of columnsOf(turnsOf(rle), height)) {
    const ends = new Set(before);
    const starts = new Set(rows);
    const here = [...before.filter((row) => !starts.has(row)), ...rows.filter((row) => !ends.has(row))];
    here.sort((a, b) => a - b);
    for (const row of here) {
      const corner = across.length;
      corners.push(column, row);
      const other = ends.has(row) ? (open.get(row) as number) : -1;
      across.push(other);
      if (other < 0) open.set(row, corner);
      else {
        across[other] = corner;
        open.delete(row);
      }
    }
    before = rows;
  }

  const rings: Ring[] = [];
  const visited = new Uint8Array(across.length);
  for (let start = 0; start < across.length; start++) {
    if (visited[start]) continue;
    const ring: Ring = [];
    for (let corner = start; !visited[corner]; corner = across[corner ^ 1] as number) {
      for (const end of [corner, corner ^ 1]) {
        visited[end] = 1;
        ring.push(corners[2 * end] as number, corners[2 * end + 1] as number);
      }
    }
    rings.push(ring);
  }
  return rings;
}

/** The turns of each column, with one at the bottom where the mask reaches it, and an empty column after each stretch. */
function* columnsOf(turns: Int32Array, height: number): Generator<{ column: number; rows: number[] }> {
  let index = 0;
  let column = -1;
  let rows: number[] = [];
  while (index < turns.length || rows.length > 0) {
    const isInside = index % 2 === 1;
    column = rows.length > 0 ? column + 1 : Math.floor((turns[index] as number) / height);
    const top = column * height;
    rows = [];
    if (isInside) {
      if (turns[index] === top) index++;
      else rows.push(0);
    }
    for (; index < turns.length && (turns[index] as number) < top + height; index++) {
      rows.push((turns[index] as number) - top);
    }
    if (rows.length % 2 === 1) rows.push(height);
    yield { column, rows };
  }
}

/** The algorithm of Douglas and Peucker on each half of the ring, from its first corner to the farthest one. */
function simplify(ring: Ring, tolerancePx: number): Ring {
  const count = ring.length / 2;
  const { area, length } = measure(ring);
  const limit = Math.min(tolerancePx, (LARGEST_CHANGE * area) / length);
  if (limit === 0 || count <= 4) return ring;
  const x = (at: number) => ring[2 * (at % count)] as number;
  const y = (at: number) => ring[2 * (at % count) + 1] as number;
  let farthest = 0;
  let distance = 0;
  for (let at = 1; at < count; at++) {
    const candidate = Math.hypot(x(at) - x(0), y(at) - y(0));
    if (candidate > distance) [farthest, distance] = [at, candidate];
  }
  const kept = new Uint8Array(count);
  kept[0] = 1;
  kept[farthest] = 1;
  const parts: [number, number][] = [
    [0, farthest],
    [farthest, count],
  ];
  for (let part = parts.pop(); part; part = parts.pop()) {
    const [first, last] = part;
    const [dx, dy] = [x(last) - x(first), y(last) - y(first)];
    const squared = dx * dx + dy * dy;
    let split = -1;
    let largest = limit * limit;
    for (let at = first + 1; at < last; at++) {
      const [px, py] = [x(at) - x(first), y(at) - y(first)];
      const along = squared === 0 ? 0 : Math.min(1, Math.max(0, (px * dx + py * dy) / squared));
      const away = (px - along * dx) ** 2 + (py - along * dy) ** 2;
      if (away > largest) [split, largest] = [at, away];
    }
    if (split < 0) continue;
    kept[split] = 1;
    parts.push([first, split], [split, last]);
  }
  const simple: Ring = [];
  for (let at = 0; at < count; at++) if (kept[at]) simple.push(x(at), y(at));
  return simple.length < 6 ? ring : simple;
}

function measure(ring: Ring): { area: number; length: number } {
  let [x0, y0] = ring.slice(-2) as [number, number];
  let doubled = 0;
  let length = 0;
  for (let at = 0; at < ring.length; at += 2) {
    const [x1, y1] = [ring[at] as number, ring[at + 1] as number];
    doubled += x0 * y1 - x1 * y0;
    length += Math.hypot(x1 - x0, y1 - y0);
    [x0, y0] = [x1, y1];
  }
  return { area: Math.abs(doubled) / 2, length };
}
