/**
 * Finds packets of H.264 that contain the second field of an interlaced picture. Two packets then make one picture. Rec. ITU-T
 * H.264, sections 7.3.2.1.1 (sequence parameter set), 7.3.3 (slice header) and 7.4.1.2.4.
 */
import { createBitReader } from "./bits.js";

interface Field {
  frameNumber: number;
  isBottom: boolean;
  isIdr: boolean;
  isReference: boolean;
}

interface Sps {
  frameNumberBits: number;
  hasColourPlanes: boolean;
  mayHaveFields: boolean;
}

export interface FieldFinder {
  /** False when the header excludes fields, so that each packet is one picture. */
  readonly mayFindFields: boolean;
  /** True when the packet completes the picture whose first field was in the packet before. */
  isSecondField(payload: Buffer): boolean;
}

/** Profiles whose parameter set states the chroma format. */
const HIGH_PROFILES = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135]);

const START = Buffer.from([0, 0, 1]);

/** @param extradata the stream's header, in the form of MP4 or as start codes; may be empty when packets contain it */
export function createFieldFinder(extradata: Buffer): FieldFinder {
  const parameterSets = new Map<number, Sps>();
  /** The parameter set of each picture parameter set. */
  const pictureSets = new Map<number, number>();
  let waiting: Field | undefined;
  const lengthBytes = extradata[0] === 1 ? ((extradata[4] ?? 3) & 3) + 1 : 0;

  function readParameters(unit: Buffer): void {
    const type = (unit[0] ?? 0) & 31;
    const reader = createBitReader(withoutEmulation(unit.subarray(1, 1024)));
    if (type === 7) {
      const { id, sps } = parseSps(reader);
      parameterSets.set(id, sps);
    } else if (type === 8) pictureSets.set(reader.golomb(), reader.golomb());
  }

  function fieldOf(unit: Buffer): Field | undefined {
    const reader = createBitReader(withoutEmulation(unit.subarray(1, 64)));
    reader.golomb(); // first_mb_in_slice
    reader.golomb(); // slice_type
    const sps = parameterSets.get(pictureSets.get(reader.golomb()) ?? -1);
    if (!sps?.mayHaveFields) return undefined;
    if (sps.hasColourPlanes) reader.bits(2);
    const frameNumber = reader.bits(sps.frameNumberBits);
    if (reader.bits(1) === 0) return undefined;
    const header = unit[0] ?? 0;
    return {
      frameNumber,
      isBottom: reader.bits(1) === 1,
      isIdr: (header & 31) === 5,
      isReference: (header & 0x60) !== 0,
    };
  }

  if (lengthBytes > 0) for (const unit of unitsOfHeader(extradata)) readParameters(unit);
  else for (const unit of unitsByStartCode(extradata)) readParameters(unit);

  const headers = [...parameterSets.values()];
  return {
    mayFindFields: headers.length === 0 || headers.some(({ mayHaveFields }) => mayHaveFields),
    isSecondField(payload) {
      const units = lengthBytes > 0 ? unitsByLength(payload, lengthBytes) : unitsByStartCode(payload);
      const fields: (Field | undefined)[] = [];
      for (const unit of units) {
        const type = (unit[0] ?? 0) & 31;
        if (type === 7 || type === 8) readParameters(unit);
        if (type !== 1 && type !== 5) continue;
        const field = fieldOf(unit);
        if (fields.length === 0 || fields.at(-1)?.isBottom !== field?.isBottom) fields.push(field);
      }
      const [field] = fields;
      const isSecond = field !== undefined && waiting !== undefined && isPair(waiting, field);
      // A packet with both fields is complete.
      waiting = isSecond || fields.length > 1 ? undefined : field;
      return isSecond;
    },
  };
}

function isPair(first: Field, second: Field): boolean {
  return (
    first.isBottom !== second.isBottom &&
    first.frameNumber === second.frameNumber &&
    (first.isReference || !second.isReference) &&
    !(second.isIdr && !first.isIdr)
  );
}

function parseSps(reader: ReturnType<typeof createBitReader>): { id: number; sps: Sps } {
  const profile = reader.bits(8);
  reader.bits(16); // constraints, level
  const id = reader.golomb();
  let hasColourPlanes = false;
  if (HIGH_PROFILES.has(profile)) {
    const chromaFormat = reader.golomb();
    if (chromaFormat === 3) hasColourPlanes = reader.bits(1) === 1;
    reader.golomb(); // bit_depth_luma_minus8
    reader.golomb(); // bit_depth_chroma_minus8
    reader.bits(1);
    if (reader.bits(1) === 1) skipScalingLists(reader, chromaFormat === 3 ? 12 : 8);
  }
  const frameNumberBits = reader.golomb() + 4;
  const orderType = reader.golomb();
  if (orderType === 0) reader.golomb();
  else if (orderType === 1) {
    reader.bits(1);
    reader.golomb(); // offset_for_non_ref_pic
    reader.golomb(); // offset_for_top_to_bottom_field
    for (let count = Math.min(255, reader.golomb()); count > 0; count--) reader.golomb();
  }
  reader.golomb(); // max_num_ref_frames
  reader.bits(1);
  reader.golomb(); // pic_width_in_mbs_minus1
  reader.golomb(); // pic_height_in_map_units_minus1
  const mayHaveFields = reader.bits(1) === 0;
  return { id, sps: { frameNumberBits: Math.min(16, frameNumberBits), hasColourPlanes, mayHaveFields } };
}

function skipScalingLists(reader: ReturnType<typeof createBitReader>, count: number): void {
  for (let list = 0; list < count; list++) {
    if (reader.bits(1) === 0) continue;
    let last = 8;
    for (let entry = 0, next = 8; entry < (list < 6 ? 16 : 64) && next !== 0; entry++) {
      const code = reader.golomb();
      const delta = code % 2 === 1 ? (code + 1) / 2 : -code / 2;
      next = (last + delta + 256) % 256;
      if (next !== 0) last = next;
    }
  }
}

/** The parameter sets of an `avcC` box (ISO/IEC 14496-15, section 5.3.3.1). */
function* unitsOfHeader(header: Buffer): Generator<Buffer> {
  let at = 5;
  for (const mask of [31, 255]) {
    for (let count = (header[at++] ?? 0) & mask; count > 0 && at + 2 <= header.length; count--) {
      const length = header.readUInt16BE(at);
      yield header.subarray(at + 2, at + 2 + length);
      at += 2 + length;
    }
  }
}

function* unitsByLength(payload: Buffer, lengthBytes: number): Generator<Buffer> {
  for (let at = 0; at + lengthBytes < payload.length; ) {
    const length = payload.readUIntBE(at, lengthBytes);
    yield payload.subarray(at + lengthBytes, at + lengthBytes + length);
    at += lengthBytes + length;
  }
}

function* unitsByStartCode(payload: Buffer): Generator<Buffer> {
  for (let at = payload.indexOf(START); at >= 0; ) {
    const next = payload.indexOf(START, at + 3);
    yield payload.subarray(at + 3, next < 0 ? undefined : next);
    at = next;
  }
}

/** Removes the byte 3 that an encoder inserts after two zeros. */
function withoutEmulation(unit: Buffer): Uint8Array {
  const bytes: number[] = [];
  let zeros = 0;
  for (const byte of unit) {
    if (zeros >= 2 && byte === 3) {
      zeros = 0;
      continue;
    }
    zeros = byte === 0 ? zeros + 1 : 0;
    bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}
