/** How much of a JPEG its decoder must keep. */

/** Start of frame: baseline, extended, progressive, and their arithmetic variants. */
const FRAME_MARKERS = new Set([0xc0, 0xc1, 0xc2, 0xc9, 0xca]);
const PROGRESSIVE_MARKERS = new Set([0xc2, 0xca]);
const START_OF_SCAN = 0xda;
const BLOCK = 8;
const COEFFICIENT_BYTES = 2;

interface Frame {
  width: number;
  height: number;
  isProgressive: boolean;
  sampling: { across: number; down: number }[];
}

/**
 * Bytes of the coefficients of the whole picture, which libjpeg keeps when the picture arrives in several scans: a
 * progressive one, or a sequential one whose first scan does not contain all components (`jdinput.c`). 0 when one pass is
 * enough.
 *
 * @throws Error when the headers do not end within `bytes`
 */
export function coefficientBytes(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let frame: Frame | undefined;
  for (let at = 2; at + 4 <= bytes.length; ) {
    if (bytes[at] !== 0xff) {
      at++;
      continue;
    }
    const marker = bytes[at + 1] as number;
    // Fill bytes, and markers without a length.
    if (marker === 0xff || marker === 0x00 || marker === 0x01 || (marker >= 0xd0 && marker <= 0xd9)) {
      at += marker === 0xff ? 1 : 2;
      continue;
    }
    const length = view.getUint16(at + 2);
    if (at + 2 + length > bytes.length) break;
    if (FRAME_MARKERS.has(marker)) frame ??= readFrame(view, at + 4, PROGRESSIVE_MARKERS.has(marker));
    if (marker === START_OF_SCAN && frame) {
      const inScan = bytes[at + 4] as number;
      return frame.isProgressive || inScan < frame.sampling.length ? bytesOf(frame) : 0;
    }
    at += 2 + length;
  }
  throw new Error("the JPEG has no complete header");
}

function readFrame(view: DataView, at: number, isProgressive: boolean): Frame {
  const components = view.getUint8(at + 5);
  return {
    height: view.getUint16(at + 1),
    width: view.getUint16(at + 3),
    isProgressive,
    sampling: Array.from({ length: components }, (_, index) => {
      const factors = view.getUint8(at + 7 + 3 * index);
      return { across: factors >> 4, down: factors & 15 };
    }),
  };
}

function bytesOf({ width, height, sampling }: Frame): number {
  const across = Math.max(...sampling.map((component) => component.across));
  const down = Math.max(...sampling.map((component) => component.down));
  // Each component is padded to whole units of the picture.
  const unitsAcross = Math.ceil(width / (BLOCK * across));
  const unitsDown = Math.ceil(height / (BLOCK * down));
  const blocks = sampling.reduce(
    (sum, component) => sum + unitsAcross * component.across * unitsDown * component.down,
    0,
  );
  return blocks * BLOCK * BLOCK * COEFFICIENT_BYTES;
}
