/**
 * The compact form of one mask in binary messages. PROTOCOL.md describes it bit by bit, under "packed masks".
 *
 * A mask is a list of turns for each column: the rows at which its pixels change between outside and inside. The turns of a
 * column are coded relative to those of the column before it, with the modes of ITU-T T.6 (vertical, pass, horizontal).
 * Most turns are in the same row as in the column before: of these only the number between two others is stored.
 */
import { BitReader, BitWriter } from "./bits.js";
import { type CocoRle, type Mask, maskOfTurns, rleOfTurns, turnsOf } from "./rle.js";

/** Turns farther from their reference are cheaper as distances. */
const MAX_SHIFT = 9;

/** Orders of the Exp-Golomb codes of a horizontal pair: the distance to its first turn, and from there to its second. */
const START_ORDER = 5;
const LENGTH_ORDER = 3;

/** Unary codes of the symbols besides shifts. Shifts of 1 to 3 rows have the codes 0 to 2, larger ones those from 5 on. */
const HORIZONTAL = 3;
const PASS = 4;

/** The largest parameter of a Rice code, in 4 bits. */
const MAX_RICE = 15;

/** The largest picture that a server opens: `maxPixels`. */
const MAX_PIXELS = 2 ** 27;

/** @throws RangeError when the text is not an RLE of its size. */
export function packMask(rle: CocoRle): Uint8Array {
  const [height, width] = rle.size;
  const turns = turnsOf(rle);
  const isEmpty = turns.length === 0;
  const first = isEmpty ? 0 : Math.floor((turns[0] as number) / height);
  const end = isEmpty ? 0 : Math.floor(((turns[turns.length - 1] as number) - 1) / height) + 1;
  const writer = new BitWriter();
  for (const number of [height, width, first, end - first]) writeVarint(writer, number);
  if (!isEmpty) writeSteps(writer, stepsOf(turns, height, first, end));
  return writer.finish();
}

/** @throws RangeError when the bytes are not one packed mask. */
export function unpackMask(bytes: Uint8Array): Mask {
  const { turns, size } = readTurns(bytes);
  return maskOfTurns(turns, size);
}

/** @throws RangeError when the bytes are not one packed mask. */
export function unpackRle(bytes: Uint8Array): CocoRle {
  const { turns, size } = readTurns(bytes);
  return rleOfTurns(turns, size);
}

/**
 * The positions at which the mask begins and ends, see `turnsOf` of `rle.ts`, and its height and width.
 * @throws RangeError when the bytes are not one packed mask.
 */
export function unpackTurns(bytes: Uint8Array): { turns: Int32Array; size: CocoRle["size"] } {
  return readTurns(bytes);
}

/** Kinds of steps. The first two count turns at their reference, each in its own context. */
const ZEROS = 0;
const ZEROS_AT_BOTTOM = 1;
const SHIFT = 2;
const SKIP = 3;
const PAIR = 4;

/** What is written, in order: parallel lists. `values` is the number of zeros, the shift in rows, or the first distance. */
interface Steps {
  kinds: number[];
  values: number[];
  /** The second distance of a horizontal pair. */
  lengths: number[];
}

/** Compares each column with the one before it. */
function stepsOf(turns: Int32Array, height: number, first: number, end: number): Steps {
  const kinds: number[] = [];
  const values: number[] = [];
  const lengths: number[] = [];
  const add = (kind: number, value: number, length: number) => {
    values.push(value);
    lengths.push(length);
    return kinds.push(kind) - 1;
  };
  /** The step that counts zeros now, in each context; -1 for none. */
  const open: [number, number] = [-1, -1];
  let index = 0;
  let before: number[] = [];
  for (let column = first; column < end; column++) {
    const rows: number[] = [];
    index = readColumn(turns, index, column * height, height, rows);
    let from = 0;
    let done = 0;
    let reference = 0;
    while (from < height) {
      while (reference < before.length && (before[reference] as number) < from) reference++;
      // Turns into the mask refer to turns into it, and turns out of it to turns out of it.
      const at = reference + ((reference ^ done) & 1);
      const expected = at < before.length ? (before[at] as number) : height;
      const context = at < before.length ? ZEROS : ZEROS_AT_BOTTOM;
      if (open[context] < 0) open[context] = add(context, 0, 0);
      const next = done < rows.length ? (rows[done] as number) : height;
      const shift = next - expected;
      if (shift === 0) {
        (values[open[context]] as number)++;
        from = next + 1;
        done++;
        continue;
      }
      open[context] = -1;
      const after = at + 1 < before.length ? (before[at + 1] as number) : height;
      if (after < next || (next === height && shift > MAX_SHIFT)) {
        add(SKIP, 0, 0);
        from = after + 1;
      } else if (Math.abs(shift) <= MAX_SHIFT) {
        add(SHIFT, shift, 0);
        from = next + 1;
        done++;
      } else {
        const second = done + 1 < rows.length ? (rows[done + 1] as number) : height;
        add(PAIR, next - from, second - next - 1);
        from = second + 1;
        done += 2;
      }
    }
    before = rows;
  }
  return { kinds, values, lengths };
}

/**
 * Appends the rows of the turns of the column that begins at `top`. A mask that reaches the bottom has no turn there.
 * Returns the index of the first turn after the column.
 */
function readColumn(turns: Int32Array, first: number, top: number, height: number, rows: number[]): number {
  let index = first;
  if (index % 2 === 1) {
    // The mask reaches the bottom of the column before: it ends there, or continues in this column.
    if (turns[index] === top) index++;
    else rows.push(0);
  }
  for (; index < turns.length && (turns[index] as number) < top + height; index++) {
    rows.push((turns[index] as number) - top);
  }
  return index;
}

function writeSteps(writer: BitWriter, steps: Steps): void {
  const rice = [bestRice(steps, ZEROS), bestRice(steps, ZEROS_AT_BOTTOM)] as const;
  for (const parameter of rice) writer.write(parameter, 4);
  const { kinds, values, lengths } = steps;
  for (let index = 0; index < kinds.length; index++) {
    const kind = kinds[index] as number;
    const value = values[index] as number;
    if (kind === ZEROS || kind === ZEROS_AT_BOTTOM) {
      writer.writeUnary(value >>> rice[kind]);
      writer.write(value, rice[kind]);
    } else if (kind === SHIFT) {
      const size = Math.abs(value);
      writer.writeUnary(size <= HORIZONTAL ? size - 1 : size + 1);
      writer.write(value < 0 ? 1 : 0, 1);
    } else if (kind === SKIP) {
      writer.writeUnary(PASS);
    } else {
      writer.writeUnary(HORIZONTAL);
      writeDistance(writer, value, START_ORDER);
      writeDistance(writer, lengths[index] as number, LENGTH_ORDER);
    }
  }
}

/** The parameter with which the counts of zeros of this kind take the fewest bits. */
function bestRice({ kinds, values }: Steps, kind: number): number {
  let best = 0;
  let fewest = Number.POSITIVE_INFINITY;
  for (let parameter = 0; parameter <= MAX_RICE; parameter++) {
    let bits = 0;
    for (let index = 0; index < kinds.length; index++) {
      if (kinds[index] === kind) bits += ((values[index] as number) >>> parameter) + 1 + parameter;
    }
    if (bits >= fewest) break;
    best = parameter;
    fewest = bits;
  }
  return best;
}

/** An Exp-Golomb code: the size of the upper part in unary, then its bits below the highest one, then the lower part. */
function writeDistance(writer: BitWriter, distance: number, order: number): void {
  const upper = (distance >>> order) + 1;
  const size = 31 - Math.clz32(upper);
  writer.writeUnary(size);
  writer.write(upper, size);
  writer.write(distance, order);
}

function readDistance(reader: BitReader, order: number): number {
  const size = reader.readUnary();
  if (size > 24) throw new RangeError(`expected a distance of at most 24 bits, got ${size}`);
  const upper = (1 << size) | reader.read(size);
  return ((upper - 1) << order) | reader.read(order);
}

/** Seven bits per byte, lowest first; the highest bit of a byte marks a continuation. */
function writeVarint(writer: BitWriter, value: number): void {
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) writer.write((rest & 0x7f) | 0x80, 8);
  writer.write(rest, 8);
}

function readVarint(reader: BitReader): number {
  let value = 0;
  for (let shift = 0; shift <= 21; shift += 7) {
    const byte = reader.read(8);
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  throw new RangeError("expected a number of at most 28 bits at the start of the mask");
}

function readTurns(bytes: Uint8Array): { turns: Int32Array; size: CocoRle["size"] } {
  const reader = new BitReader(bytes);
  const [height, width, first, count] = [0, 0, 0, 0].map(() => readVarint(reader)) as [
    number,
    number,
    number,
    number,
  ];
  if (height === 0 || width === 0 || height * width > MAX_PIXELS) {
    throw new RangeError(`expected a mask of 1 to ${MAX_PIXELS} pixels, got ${width}x${height}`);
  }
  if (first + count > width) {
    throw new RangeError(`expected columns within ${width}, got ${count} from ${first}`);
  }
  const turns = count === 0 ? [] : readColumns(reader, height, first, count);
  if (reader.bytesRead !== bytes.length) {
    throw new RangeError(`expected ${reader.bytesRead} bytes of mask, got ${bytes.length}`);
  }
  return { turns: Int32Array.from(turns), size: [height, width] };
}

function readColumns(reader: BitReader, height: number, first: number, count: number): number[] {
  const turns: number[] = [];
  const rice = [reader.read(4), reader.read(4)] as const;
  /** Zeros left in each context; -1 when their number comes next. */
  const zeros: [number, number] = [-1, -1];
  let before: number[] = [];
  let rows: number[] = [];
  for (let column = first; column < first + count; column++) {
    rows = [];
    let from = 0;
    let reference = 0;
    while (from < height) {
      while (reference < before.length && (before[reference] as number) < from) reference++;
      const at = reference + ((reference ^ rows.length) & 1);
      const expected = before[at] ?? height;
      const context = at < before.length ? 0 : 1;
      if (zeros[context] < 0)
        zeros[context] = (reader.readUnary() << rice[context]) | reader.read(rice[context]);
      let next = expected;
      if (zeros[context]-- === 0) {
        const code = reader.readUnary();
        if (code === PASS) {
          from = (before[at + 1] ?? height) + 1;
          continue;
        }
        if (code === HORIZONTAL) {
          const start = from + readDistance(reader, START_ORDER);
          if (start >= height) throw rowOutside(start, from, height - 1);
          rows.push(start);
          from = start + 1;
          next = from + readDistance(reader, LENGTH_ORDER);
        } else {
          const size = code < HORIZONTAL ? code + 1 : code - 1;
          next = reader.read(1) === 1 ? expected - size : expected + size;
        }
      }
      if (next < from || next > height) throw rowOutside(next, from, height);
      if (next < height) rows.push(next);
      from = next + 1;
    }
    append(turns, rows, column * height, height);
    before = rows;
  }
  if (rows.length === 0) throw new RangeError("expected a last column with pixels of the mask");
  return turns;
}

/** Appends the turns of a column; the mask may continue from the bottom of the column before, and beyond this one. */
function append(turns: number[], rows: readonly number[], top: number, height: number): void {
  for (const row of rows) {
    if (turns[turns.length - 1] === top + row) turns.pop();
    else turns.push(top + row);
  }
  if (rows.length % 2 === 1) turns.push(top + height);
}

function rowOutside(row: number, from: number, to: number): RangeError {
  return new RangeError(`expected a turn at row ${from} to ${to}, got ${row}`);
}
