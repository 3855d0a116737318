/**
 * Mask logits at the model's resolution in a form that fits a JSON message: base64 of half-precision floats, little-endian,
 * row by row. Half precision keeps three decimal digits; the rounding moves the edge of a mask by less than a thousandth
 * of a pixel.
 */

export interface LowResMask {
  /** Height, width. */
  size: [height: number, width: number];
  dtype: "float16";
  /** base64 of height × width × 2 bytes. */
  data: string;
}

/** Encodes `[height, width]` logits; values beyond the range of half precision become infinite. */
export function encodeLowResMask(logits: Float32Array, size: [height: number, width: number]): LowResMask {
  if (logits.length !== size[0] * size[1]) {
    throw new RangeError(`expected ${size[0] * size[1]} logits for ${size.join("x")}, got ${logits.length}`);
  }
  const halves = new DataView(new ArrayBuffer(logits.length * 2));
  logits.forEach((logit, at) => {
    halves.setUint16(at * 2, toHalf(logit), true);
  });
  const bytes = new Uint8Array(halves.buffer);
  let text = "";
  // In chunks, because each byte is an argument on the stack.
  for (let at = 0; at < bytes.length; at += 8192)
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return { size, dtype: "float16", data: btoa(text) };
}

/** @throws RangeError when the text is not base64 of `height * width` numbers. */
export function decodeLowResMask({ size: [height, width], data }: LowResMask): Float32Array {
  let text: string;
  try {
    text = atob(data);
  } catch {
    throw new RangeError("expected base64 text");
  }
  const count = height * width;
  if (text.length !== count * 2) {
    throw new RangeError(`expected ${count * 2} bytes for ${height}x${width} halves, got ${text.length}`);
  }
  return Float32Array.from({ length: count }, (_, at) =>
    fromHalf(text.charCodeAt(at * 2) | (text.charCodeAt(at * 2 + 1) << 8)),
  );
}

const float = new Float32Array(1);
const bitsOfFloat = new Uint32Array(float.buffer);

/** Bits of the nearest half-precision number, ties to even (IEEE 754). */
function toHalf(value: number): number {
  float[0] = value;
  const bits = bitsOfFloat[0] as number;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  // The nearest half of 65520 and above is infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Below 2^-14 halves are 2^-24 apart. Scaling by a power of two is exact, so ties are exact as well.
    const steps = Math.abs(value) * 2 ** 24;
    const floor = Math.floor(steps);
    const rest = steps - floor;
    return sign | (rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor);
  }
  const rebased = magnitude - 0x38000000;
  return sign | ((rebased + 0xfff + ((rebased >>> 13) & 1)) >>> 13);
}

function fromHalf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
