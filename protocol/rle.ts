/**
 * Masks as COCO compressed run-length text, the format of pycocotools: pixels are ordered column by column, runs alternate
 * and start with background, and from the fourth count on the text stores the difference to the count two places before.
 */

export interface CocoRle {
  /** Height, width. */
  size: [height: number, width: number];
  counts: string;
}

export interface Mask {
  width: number;
  height: number;
  /** `[height, width]` row by row, 1 inside and 0 outside. */
  data: Uint8Array;
}

/** x, y of the top left pixel, width and height in pixels. */
export type PixelBox = [x: number, y: number, width: number, height: number];

/**
 * Encodes `[height, width]` bits, row by row; every value but 0 belongs to the mask.
 * With `within`, only that box is read: the mask must be empty outside it.
 */
export function encodeMask(bits: Uint8Array, width: number, height: number, within?: PixelBox): CocoRle {
  if (bits.length !== width * height) {
    throw new RangeError(`expected ${width * height} bits for ${width}x${height}, got ${bits.length}`);
  }
  return { size: [height, width], counts: runsToText(maskRuns(bits, width, height, within)) };
}

/** @throws RangeError when the text is not an RLE of that size. */
export function decodeMask(rle: CocoRle): Mask {
  return maskOfTurns(turnsOf(rle), rle.size);
}

/**
 * The positions at which the mask begins and ends, in turns: strictly ascending, counted column by column, an even number
 * of them. The last one may be the number of pixels.
 * @throws RangeError when the text is not an RLE of that size.
 */
export function turnsOf(rle: CocoRle): Int32Array {
  const turns = new Positions();
  forEachRun(rle, (start, end) => {
    // Runs without pixels between them are one.
    if (turns.length > 0 && turns.values[turns.length - 1] === start) turns.length--;
    else turns.add(start);
    turns.add(end);
  });
  return turns.values.subarray(0, turns.length);
}

/** The mask that begins and ends at these positions; see {@link turnsOf}. */
export function rleOfTurns(turns: Int32Array, [height, width]: CocoRle["size"]): CocoRle {
  return { size: [height, width], counts: runsToText(runsOfTurns(turns, width * height)) };
}

/** The mask that begins and ends at these positions; see {@link turnsOf}. */
export function maskOfTurns(turns: Int32Array, [height, width]: CocoRle["size"]): Mask {
  const data = new Uint8Array(width * height);
  // First marks the pixels that differ from the one above, then accumulates downwards, in the order of memory.
  const turn = (column: number, row: number) => {
    if (row < height) data[row * width + column] = 1;
  };
  for (let index = 1; index < turns.length; index += 2) {
    const start = turns[index - 1] as number;
    const end = turns[index] as number;
    const first = Math.floor(start / height);
    const last = Math.floor((end - 1) / height);
    turn(first, start - first * height);
    for (let column = first + 1; column <= last; column++) turn(column, 0);
    turn(last, end - last * height);
  }
  const lanes = wordsOf(data, width) ?? data;
  const rowLength = lanes.length / height;
  for (let at = rowLength; at < lanes.length; at++)
    lanes[at] = (lanes[at] ?? 0) ^ (lanes[at - rowLength] ?? 0);
  return { width, height, data };
}

/**
 * The pixels that belong to any of the masks. Its time depends on the number of runs, not of pixels.
 * @throws RangeError without a mask, or when the sizes differ
 */
export function uniteMasks(masks: readonly CocoRle[]): CocoRle {
  const [first] = masks;
  if (!first) throw new RangeError("expected at least one mask");
  const [height, width] = first.size;
  const spans: [start: number, end: number][] = [];
  for (const rle of masks) {
    if (rle.size[0] !== height || rle.size[1] !== width)
      throw new RangeError(`expected masks of ${width}x${height}, got ${rle.size[1]}x${rle.size[0]}`);
    forEachRun(rle, (start, end) => void spans.push([start, end]));
  }
  spans.sort((a, b) => a[0] - b[0]);
  const runs: number[] = [];
  let position = 0;
  let open: [start: number, end: number] | undefined;
  const close = () => {
    if (!open) return;
    runs.push(open[0] - position, open[1] - open[0]);
    position = open[1];
  };
  for (const [start, end] of spans) {
    if (open && start <= open[1]) open[1] = Math.max(open[1], end);
    else {
      close();
      open = [start, end];
    }
  }
  close();
  const rest = width * height - position;
  if (rest > 0 || runs.length === 0) runs.push(rest);
  return { size: [height, width], counts: runsToText(Int32Array.from(runs)) };
}

/** Number of pixels in the mask. */
export function maskArea(rle: CocoRle): number {
  let area = 0;
  forEachRun(rle, (start, end) => {
    area += end - start;
  });
  return area;
}

/** The smallest box around the mask; all zeros when it is empty. */
export function maskBox(rle: CocoRle): PixelBox {
  const [height] = rle.size;
  let [x0, y0, x1, y1] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, -1, -1];
  forEachRun(rle, (start, end) => {
    const first = Math.floor(start / height);
    const last = Math.floor((end - 1) / height);
    x0 = Math.min(x0, first);
    x1 = Math.max(x1, last);
    // A run that continues in the next column touches the bottom and the top.
    y0 = Math.min(y0, first === last ? start - first * height : 0);
    y1 = Math.max(y1, first === last ? end - 1 - first * height : height - 1);
  });
  return x1 < 0 ? [0, 0, 0, 0] : [x0, y0, x1 + 1 - x0, y1 + 1 - y0];
}

/** Lengths of the runs, background first. */
function maskRuns(bits: Uint8Array, width: number, height: number, within?: PixelBox): Int32Array {
  return runsOfTurns(turnsByColumn(bits, width, height, within ?? [0, 0, width, height]), width * height);
}

/** Lengths of the runs between ascending positions, background first. Two equal positions cancel. */
function runsOfTurns(turns: Int32Array, pixels: number): Int32Array {
  const runs = new Int32Array(turns.length + 1);
  let count = 0;
  let runStart = 0;
  for (let index = 0; index < turns.length; index++) {
    const turn = turns[index] as number;
    // A run that ends at the bottom of a column and continues at the top of the next has two changes at one place, which
    // cancel.
    if (turns[index + 1] === turn) {
      index++;
      continue;
    }
    runs[count++] = turn - runStart;
    runStart = turn;
  }
  const rest = pixels - runStart;
  if (rest > 0 || count === 0) runs[count++] = rest;
  return runs.subarray(0, count);
}

/**
 * The ends of the runs, ascending: each pixel that differs from the one above it is a change in its column. The mask is read
 * in the order of memory, row by row, so the changes of a column are found in order: distributing them to the columns sorts
 * them.
 */
function turnsByColumn(bits: Uint8Array, width: number, height: number, within: PixelBox): Int32Array {
  const [left, y0, boxWidth, boxHeight] = within;
  const words = wordsOf(bits, width);
  // Extended to whole words where rows allow it: the mask is empty outside the box.
  const x0 = words ? left & ~3 : left;
  const x1 = Math.min(left + boxWidth, width);
  const y1 = Math.min(y0 + boxHeight, height);
  const turns = new Positions();
  const places = new Int32Array(Math.max(0, x1 - x0) + 1);
  const step = words ? 4 : 1;
  for (let y = y0; y <= y1; y++) {
    const hasTwoRows = y > y0 && y < y1;
    for (let x = x0; x < x1; x += step) {
      const first = y * width + x;
      if (words && hasTwoRows && words[first >> 2] === words[(first - width) >> 2]) continue;
      const end = Math.min(x + step, x1) - x + first;
      for (let at = first; at < end; at++) {
        const above = y > y0 && bits[at - width] !== 0;
        const here = y < y1 && bits[at] !== 0;
        if (above === here) continue;
        turns.add(at);
        const next = at - first + x - x0 + 1;
        places[next] = (places[next] as number) + 1;
      }
    }
  }
  for (let x = 1; x < places.length; x++) places[x] = (places[x] as number) + (places[x - 1] as number);
  const sorted = new Int32Array(turns.length);
  for (let index = 0; index < turns.length; index++) {
    const at = turns.values[index] as number;
    const x = at % width;
    const place = places[x - x0] as number;
    sorted[place] = x * height + (at - x) / width;
    places[x - x0] = place + 1;
  }
  return sorted;
}

/** A growing list of positions in a picture: noisy masks have hundreds of thousands. */
class Positions {
  length = 0;
  values = new Int32Array(1024);

  add(position: number): void {
    if (this.length === this.values.length) {
      const larger = new Int32Array(2 * this.length);
      larger.set(this.values);
      this.values = larger;
    }
    this.values[this.length++] = position;
  }
}

/** The same memory as words of four pixels, when rows consist of whole words: most words equal the one above. */
function wordsOf(pixels: Uint8Array, width: number): Int32Array | undefined {
  if (width % 4 !== 0 || pixels.byteOffset % 4 !== 0) return undefined;
  return new Int32Array(pixels.buffer, pixels.byteOffset, pixels.length / 4);
}

/** Five bits per character, lowest first, from "0" on; bit 5 marks a continuation, bit 4 of the last one is the sign. */
function runsToText(runs: Int32Array): string {
  // A count of 32 bits takes seven characters at most.
  const codes = new Uint8Array(7 * runs.length);
  let length = 0;
  for (let index = 0; index < runs.length; index++) {
    let rest = (runs[index] as number) - (index > 2 ? (runs[index - 2] as number) : 0);
    for (let more = true; more; ) {
      const bits = rest & 0x1f;
      rest >>= 5;
      more = bits & 0x10 ? rest !== -1 : rest !== 0;
      codes[length++] = (more ? bits | 0x20 : bits) + 48;
    }
  }
  return ASCII.decode(codes.subarray(0, length));
}

const ASCII = new TextDecoder();

function textToRuns(text: string): number[] {
  const runs: number[] = [];
  for (let at = 0; at < text.length; ) {
    let value = 0;
    let shift = 0;
    for (let more = true; more; shift += 5) {
      const bits = text.charCodeAt(at++) - 48;
      // Also false at the end of the text, where the code is NaN.
      if (!(bits >= 0 && bits < 64) || shift > 30) throw new RangeError("expected COCO run-length text");
      value |= (bits & 0x1f) << shift;
      more = (bits & 0x20) !== 0;
      if (!more && bits & 0x10 && shift < 30) value |= -1 << (shift + 5);
    }
    runs.push(runs.length > 2 ? value + (runs[runs.length - 2] ?? 0) : value);
  }
  return runs;
}

/** Calls back with each run of mask pixels: from `start` to before `end`, counted column by column. */
function forEachRun(rle: CocoRle, visit: (start: number, end: number) => void): void {
  const pixels = rle.size[0] * rle.size[1];
  let position = 0;
  for (const [index, run] of textToRuns(rle.counts).entries()) {
    const end = position + run;
    if (run < 0 || end > pixels) throw new RangeError(`expected runs of ${pixels} pixels in all`);
    if (index % 2 === 1 && run > 0) visit(position, end);
    position = end;
  }
  if (position !== pixels) throw new RangeError(`expected runs of ${pixels} pixels in all, got ${position}`);
}
