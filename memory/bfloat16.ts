/**
 * Rounds to the nearest bfloat16 (eight significant bits), ties to even. SAM 3 stores its memories in this type.
 * @param values float32; changed in place
 * @returns the same array
 */
export function roundToBfloat16(values: Float32Array): Float32Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i++) {
    const word = bits[i] as number;
    bits[i] = (word + 0x7fff + ((word >>> 16) & 1)) & 0xffff0000;
  }
  return values;
}
