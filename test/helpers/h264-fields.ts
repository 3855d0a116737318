/**
 * Writes interlaced H.264 whose fields are pictures of their own, which no encoder of ffmpeg writes. Every macroblock is
 * uncompressed (I_PCM), so that the stream needs no arithmetic. Rec. ITU-T H.264, section 7.3.
 */
import { paintFrame } from "./media.js";

const MACROBLOCK = 16;
const I_SLICE = 7;
const I_PCM = 25;

type Picture = "frame" | "top" | "bottom";

/** A stream of `frames` numbered pictures as start codes. Each is two fields, except those for which `isFrame` is true. */
export function fieldStream(
  frames: number,
  { width, height, isFrame }: { width: number; height: number; isFrame: (frame: number) => boolean },
): Buffer {
  const units: Buffer[] = [];
  for (let n = 0; n < frames; n++) {
    const rgb = paintFrame(n, width, height);
    const picture = { n, rgb, width, height };
    units.push(sequenceParameters(width, height), pictureParameters());
    if (isFrame(n)) units.push(slice(picture, "frame"));
    else units.push(slice(picture, "top"), slice(picture, "bottom"));
  }
  return Buffer.concat(units);
}

function sequenceParameters(width: number, height: number): Buffer {
  const bits = createBits();
  bits.write(77, 8); // Main profile
  bits.write(0, 8);
  bits.write(30, 8); // level 3.0
  for (const value of [0, 0, 2, 1]) bits.golomb(value); // id, frame numbers of 4 bits, order of decoding, 1 reference
  bits.write(0, 1);
  bits.golomb(width / MACROBLOCK - 1);
  bits.golomb(height / (2 * MACROBLOCK) - 1);
  bits.write(0, 1); // frame_mbs_only_flag
  bits.write(0, 1);
  bits.write(1, 1); // direct_8x8_inference_flag
  bits.write(0, 2);
  return bits.unit(0x67);
}

function pictureParameters(): Buffer {
  const bits = createBits();
  bits.golomb(0);
  bits.golomb(0);
  bits.write(0, 2);
  for (let i = 0; i < 3; i++) bits.golomb(0);
  bits.write(0, 3);
  for (let i = 0; i < 3; i++) bits.golomb(0);
  bits.write(0, 3);
  return bits.unit(0x68);
}

function slice(
  { n, rgb, width, height }: { n: number; rgb: Buffer; width: number; height: number },
  picture: Picture,
): Buffer {
  const bits = createBits();
  const isIdr = picture !== "bottom";
  bits.golomb(0);
  bits.golomb(I_SLICE);
  bits.golomb(0);
  bits.write(0, 4); // frame_num
  if (picture === "frame") bits.write(0, 1);
  else bits.write(picture === "bottom" ? 0b11 : 0b10, 2);
  if (isIdr) bits.golomb(n % 2);
  bits.write(0, isIdr ? 2 : 1);
  bits.golomb(0);
  const rowStep = picture === "frame" ? 1 : 2;
  const firstRow = picture === "bottom" ? 1 : 0;
  const rows = height / rowStep;
  for (let top = 0; top < rows; top += MACROBLOCK) {
    for (let left = 0; left < width; left += MACROBLOCK) {
      bits.golomb(I_PCM);
      bits.align();
      for (let y = top; y < top + MACROBLOCK; y++) {
        const row = (y * rowStep + firstRow) * width;
        for (let x = left; x < left + MACROBLOCK; x++) bits.write(rgb[(row + x) * 3 + 1] ?? 0, 8);
      }
      for (let i = 0; i < (MACROBLOCK * MACROBLOCK) / 2; i++) bits.write(128, 8); // grey
    }
  }
  return bits.unit(isIdr ? 0x65 : 0x61);
}

function createBits() {
  const bytes: number[] = [];
  let used = 8;
  function bit(value: number): void {
    if (used === 8) {
      bytes.push(0);
      used = 0;
    }
    bytes[bytes.length - 1] = (bytes.at(-1) as number) | (value << (7 - used++));
  }
  function write(value: number, count: number): void {
    for (let i = count - 1; i >= 0; i--) bit((value >> i) & 1);
  }
  return {
    write,
    golomb(value: number) {
      const length = Math.floor(Math.log2(value + 1));
      write(0, length);
      write(value + 1, length + 1);
    },
    align() {
      used = 8;
    },
    /** The bits as a NAL unit with this header, after a start code. */
    unit(header: number): Buffer {
      bit(1);
      const escaped: number[] = [0, 0, 0, 1, header];
      let zeros = 0;
      for (const byte of bytes) {
        if (zeros >= 2 && byte <= 3) {
          escaped.push(3);
          zeros = 0;
        }
        escaped.push(byte);
        zeros = byte === 0 ? zeros + 1 : 0;
      }
      return Buffer.from(escaped);
    },
  };
}
