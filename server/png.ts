/** Pictures as PNG: masks greyscale without alpha, every row with the filter Up, which turns rows like the one above into zeros. */
import { promisify } from "node:util";
import { crc32, deflate } from "node:zlib";
import { type CocoRle, turnsOf } from "../protocol/index.js";

const compress = promisify(deflate);

export const PNG_SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const FILTER_UP = 2;

/** Returns a PNG of 1 bit per pixel, 1 inside the mask. */
export function encodeMaskPng(rle: CocoRle): Promise<Buffer> {
  const [height, width] = rle.size;
  const rowBytes = Math.ceil(width / 8);
  const rows = new Uint8Array(rowBytes * height);
  // First marks the pixels that differ from the one above, then accumulates downwards, whole bytes at a time.
  for (const turn of turnsOf(rle)) {
    const x = Math.floor(turn / height);
    const y = turn - x * height;
    // The mask ends at the bottom of the column before, or continues from there.
    if (y > 0) flip(rows, y * rowBytes, x);
  }
  for (const x of columnsInsideAtTop(rle)) flip(rows, 0, x);
  for (let at = rowBytes; at < rows.length; at++) {
    rows[at] = (rows[at] as number) ^ (rows[at - rowBytes] as number);
  }
  return encodePng(rows, { width, height, bitDepth: 1, rowBytes });
}

function flip(rows: Uint8Array, row: number, x: number): void {
  const at = row + (x >>> 3);
  rows[at] = (rows[at] as number) ^ (0x80 >>> (x & 7));
}

/** The columns whose top pixel is inside. */
function* columnsInsideAtTop(rle: CocoRle): Generator<number> {
  const turns = turnsOf(rle);
  const [height] = rle.size;
  for (let index = 1; index < turns.length; index += 2) {
    const first = Math.ceil((turns[index - 1] as number) / height);
    const last = Math.ceil((turns[index] as number) / height);
    for (let x = first; x < last; x++) yield x;
  }
}

/**
 * Labels `[height, width]` row by row: 1 + the position of the last mask that contains the pixel, or 0.
 * @param masks at least one, all of one size
 */
export function labelsOf(masks: readonly CocoRle[], [height, width]: CocoRle["size"]): Uint16Array {
  const labels = new Uint16Array(width * height);
  masks.forEach((mask, position) => {
    const turns = turnsOf(mask);
    for (let index = 1; index < turns.length; index += 2) {
      const end = turns[index] as number;
      let at = turns[index - 1] as number;
      while (at < end) {
        const x = Math.floor(at / height);
        const stop = Math.min(end, (x + 1) * height);
        for (let y = at - x * height; at < stop; at++, y++) labels[y * width + x] = position + 1;
      }
    }
  });
  return labels;
}

/** @param labels `[height, width]` row by row. Returns a PNG of 8 bits per pixel, or 16 when a label is above 255. */
export function encodeLabels(
  labels: Uint16Array,
  width: number,
  height: number,
  largest: number,
): Promise<Buffer> {
  if (largest < 256) {
    return encodePng(Uint8Array.from(labels), { width, height, bitDepth: 8, rowBytes: width });
  }
  const bytes = new Uint8Array(2 * labels.length);
  const view = new DataView(bytes.buffer);
  labels.forEach((label, at) => {
    view.setUint16(2 * at, label);
  });
  return encodePng(bytes, { width, height, bitDepth: 16, rowBytes: 2 * width });
}

/** The colour types of PNG. */
export const PNG_COLOURS = { grey: 0, palette: 3, rgba: 6 } as const;

interface Layout {
  width: number;
  height: number;
  bitDepth: number;
  rowBytes: number;
  /** Default: grey. */
  colours?: keyof typeof PNG_COLOURS;
  /** Red, green and blue of each entry, with `palette`. */
  palette?: Uint8Array;
}

/** @param rows of pixels, without filters */
export async function encodePng(
  rows: Uint8Array,
  { width, height, bitDepth, rowBytes, colours = "grey", palette }: Layout,
): Promise<Buffer> {
  const filtered = new Uint8Array((1 + rowBytes) * height);
  for (let y = 0; y < height; y++) {
    const to = y * (1 + rowBytes);
    const from = y * rowBytes;
    filtered[to] = FILTER_UP;
    for (let x = 0; x < rowBytes; x++) {
      const above = y === 0 ? 0 : (rows[from - rowBytes + x] as number);
      filtered[to + 1 + x] = (rows[from + x] as number) - above;
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  // The bytes after the colours: deflate, filters for each row, not interlaced.
  header[8] = bitDepth;
  header[9] = PNG_COLOURS[colours];
  const data = await compress(filtered);
  return Buffer.concat([
    PNG_SIGNATURE,
    pngChunk("IHDR", header),
    ...(palette ? [pngChunk("PLTE", Buffer.from(palette))] : []),
    pngChunk("IDAT", data),
    pngChunk("IEND", Buffer.alloc(0)),
  ]);
}

/** A chunk of a PNG file: its length, type, data and checksum. */
export function pngChunk(type: string, data: Buffer): Buffer {
  const bytes = Buffer.alloc(12 + data.length);
  bytes.writeUInt32BE(data.length, 0);
  bytes.write(type, 4, "latin1");
  data.copy(bytes, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + data.length)), 8 + data.length);
  return bytes;
}
