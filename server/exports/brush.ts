/**
 * The run lengths of Label Studio's brush: those of the package @thi.ng/rle-pack over RGBA pixels, row by row. After a header
 * come blocks: a bit that marks a repeated value, two bits that choose the width of the count, the count minus 1, the value.
 */
import { type CocoRle, decodeMask, encodeMask } from "../../protocol/index.js";

const WORD_BITS = 8;
/** Widths of the count. */
const COUNT_BITS = [3, 4, 8, 16] as const;
const CHANNELS = 4;
const INSIDE = 255;

/** Bytes of the mask as an array of numbers, as Label Studio's JSON contains them. */
export function encodeBrush(mask: CocoRle): number[] {
  const { data } = decodeMask(mask);
  const out = createBitWriter();
  out.write(CHANNELS * data.length, 32);
  out.write(WORD_BITS - 1, 5);
  for (const bits of COUNT_BITS) out.write(bits - 1, 4);
  for (let at = 0; at < data.length; ) {
    const value = data[at];
    const turn = data.indexOf(value === 1 ? 0 : 1, at);
    const end = turn < 0 ? data.length : turn;
    for (let rest = CHANNELS * (end - at); rest > 0; ) {
      const size = COUNT_BITS.findIndex((bits) => rest <= 2 ** bits);
      const choice = size < 0 ? COUNT_BITS.length - 1 : size;
      const bits = COUNT_BITS[choice] as number;
      const count = Math.min(rest, 2 ** bits);
      out.write(1, 1);
      out.write(choice, 2);
      out.write(count - 1, bits);
      out.write(value === 1 ? INSIDE : 0, WORD_BITS);
      rest -= count;
    }
    at = end;
  }
  return out.bytes();
}

/**
 * Reads a brush mask. A pixel is inside when its alpha is not 0.
 * @throws RangeError when the data has another number of pixels or ends early
 */
export function decodeBrush(bytes: readonly number[], width: number, height: number): CocoRle {
  const read = createBitReader(bytes);
  const values = read(32);
  if (values !== CHANNELS * width * height) {
    throw new RangeError(`expected ${width}x${height} pixels, got ${values / CHANNELS} pixels`);
  }
  const wordBits = read(5) + 1;
  const countBits = [read(4) + 1, read(4) + 1, read(4) + 1, read(4) + 1];
  const data = new Uint8Array(width * height);
  for (let at = 0; at < values; ) {
    const isRepeated = read(1) === 1;
    const end = at + 1 + read(countBits[read(2)] as number);
    if (end > values) throw new RangeError("expected no more pixels than the header states");
    let value = isRepeated ? read(wordBits) : 0;
    for (; at < end; at++) {
      if (!isRepeated) value = read(wordBits);
      if (at % CHANNELS === CHANNELS - 1 && value !== 0) data[Math.floor(at / CHANNELS)] = 1;
    }
  }
  return encodeMask(data, width, height);
}

function createBitWriter() {
  const bytes: number[] = [];
  let current = 0;
  let filled = 0;
  return {
    write(value: number, bits: number) {
      for (let bit = bits - 1; bit >= 0; bit--) {
        current = (current << 1) | (Math.floor(value / 2 ** bit) & 1);
        if (++filled < 8) continue;
        bytes.push(current);
        current = 0;
        filled = 0;
      }
    },
    bytes() {
      return filled === 0 ? bytes : [...bytes, current << (8 - filled)];
    },
  };
}

function createBitReader(bytes: readonly number[]) {
  let at = 0;
  return (bits: number) => {
    let value = 0;
    for (let bit = 0; bit < bits; bit++, at++) {
      const byte = bytes[at >> 3];
      if (byte === undefined) throw new RangeError("expected more data");
      value = value * 2 + ((byte >> (7 - (at & 7))) & 1);
    }
    return value;
  };
}
