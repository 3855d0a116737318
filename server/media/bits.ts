/** Reads the bits of a codec's header, most significant first. Bits after the end are 0. */
export interface BitReader {
  /** An unsigned number of up to 32 bits. */
  bits(count: number): number;
  /** An unsigned Exp-Golomb number, as in H.264. */
  golomb(): number;
}

export function createBitReader(bytes: Uint8Array): BitReader {
  let at = 0;
  const bit = () => {
    const value = ((bytes[at >> 3] ?? 0) >> (7 - (at & 7))) & 1;
    at++;
    return value;
  };
  function bits(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) value = value * 2 + bit();
    return value;
  }
  return {
    bits,
    golomb() {
      let zeros = 0;
      while (zeros < 32 && bit() === 0) zeros++;
      return 2 ** zeros - 1 + bits(zeros);
    },
  };
}
