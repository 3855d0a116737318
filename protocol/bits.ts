/** Bits in bytes, the highest bit of a byte first. */

/** Writes bits to a buffer that grows. */
export class BitWriter {
  private bytes = new Uint8Array(512);
  private length = 0;

  /** The `count` lowest bits of `value`, highest first; at most 24. */
  write(value: number, count: number): void {
    if (this.length + count > 8 * this.bytes.length - 32) this.grow(count);
    let rest = count;
    while (rest > 0) {
      const free = 8 - (this.length & 7);
      const taken = Math.min(free, rest);
      const part = (value >>> (rest - taken)) & ((1 << taken) - 1);
      const at = this.length >>> 3;
      this.bytes[at] = (this.bytes[at] as number) | (part << (free - taken));
      this.length += taken;
      rest -= taken;
    }
  }

  /** `value` zeros and a one. */
  writeUnary(value: number): void {
    if (this.length + value > 8 * this.bytes.length - 32) this.grow(value);
    this.length += value;
    this.write(1, 1);
  }

  /** The bytes so far, the last one filled up with zeros. */
  finish(): Uint8Array {
    return this.bytes.subarray(0, Math.ceil(this.length / 8));
  }

  private grow(bits: number): void {
    const larger = new Uint8Array(2 * this.bytes.length + Math.ceil(bits / 8));
    larger.set(this.bytes);
    this.bytes = larger;
  }
}

/** Reads what {@link BitWriter} wrote. Its methods throw a RangeError beyond the last bit. */
export class BitReader {
  private at: number;
  private readonly end: number;

  constructor(
    private readonly bytes: Uint8Array,
    firstByte = 0,
  ) {
    this.at = 8 * firstByte;
    this.end = 8 * bytes.length;
  }

  /** Bytes of which at least one bit was read, and those before them. */
  get bytesRead(): number {
    return Math.ceil(this.at / 8);
  }

  /** @param count at most 24 */
  read(count: number): number {
    if (this.at + count > this.end) throw tooShort(this.bytes);
    let value = 0;
    let rest = count;
    while (rest > 0) {
      const free = 8 - (this.at & 7);
      const taken = Math.min(free, rest);
      const byte = this.bytes[this.at >>> 3] as number;
      value = (value << taken) | ((byte >>> (free - taken)) & ((1 << taken) - 1));
      this.at += taken;
      rest -= taken;
    }
    return value;
  }

  readUnary(): number {
    let zeros = 0;
    while (this.at < this.end) {
      const used = this.at & 7;
      const byte = (this.bytes[this.at >>> 3] as number) & (0xff >>> used);
      // Zeros in front of the first one, among the unread bits of the byte.
      const leading = Math.clz32(byte) - 24 - used;
      zeros += leading;
      this.at += leading;
      if (byte !== 0) {
        this.at++;
        return zeros;
      }
    }
    throw tooShort(this.bytes);
  }
}

function tooShort(bytes: Uint8Array): RangeError {
  return new RangeError(`expected more than ${bytes.length} bytes of mask`);
}
