/**
 * The pictures in packets of MPEG-4 part 2 (DivX, Xvid), which may hold two pictures or none: DivX packs a B picture into
 * the packet of the picture it refers to and adds a placeholder later, a picture that is "not coded". ISO/IEC 14496-2,
 * section 6.2; reordering as in ffmpeg's decoder.
 */
import { type BitReader, createBitReader } from "./bits.js";

export type VopType = "I" | "P" | "B";

const TYPES: readonly VopType[] = ["I", "P", "B", "P"]; // the last one is a sprite, predicted as well
const START = Buffer.from([0, 0, 1]);
const VOP = 0xb6;

export interface Mpeg4Parser {
  /** The coded pictures of a packet. */
  parse(payload: Buffer): VopType[];
}

/** @param extradata the stream's header; without one the first packet contains it */
export function createMpeg4Parser(extradata: Buffer): Mpeg4Parser {
  let incrementBits: number | undefined;

  function parse(bytes: Buffer): VopType[] {
    const types: VopType[] = [];
    for (let at = bytes.indexOf(START); at >= 0; at = bytes.indexOf(START, at + 3)) {
      const code = bytes[at + 3] ?? 0;
      const content = bytes.subarray(at + 4, at + 68);
      if (code >= 0x20 && code <= 0x2f)
        incrementBits = timeIncrementBits(createBitReader(content)) ?? incrementBits;
      else if (code === VOP && content.length > 0) {
        const type = codedType(createBitReader(content), incrementBits);
        if (type) types.push(type);
      }
    }
    return types;
  }

  parse(extradata);
  return { parse };
}

/** Null for a picture that is not coded. */
function codedType(reader: BitReader, incrementBits: number | undefined): VopType | null {
  const type = TYPES[reader.bits(2)] as VopType;
  if (incrementBits === undefined) return type;
  let seconds = 0;
  while (seconds++ < 64 && reader.bits(1) === 1);
  reader.bits(1 + incrementBits + 1);
  return reader.bits(1) === 1 ? type : null;
}

/** The length of `vop_time_increment`, from the header of a video object layer; undefined for shapes with alpha. */
function timeIncrementBits(reader: BitReader): number | undefined {
  reader.bits(1 + 8); // random_accessible_vol, video_object_type_indication
  if (reader.bits(1) === 1) reader.bits(4 + 3);
  if (reader.bits(4) === 15) reader.bits(8 + 8);
  if (reader.bits(1) === 1) {
    reader.bits(2 + 1); // chroma_format, low_delay
    if (reader.bits(1) === 1) reader.bits(79); // vbv_parameters
  }
  if (reader.bits(2) !== 0) return undefined;
  reader.bits(1);
  const resolution = reader.bits(16);
  return Math.max(1, Math.ceil(Math.log2(resolution)));
}

/** A coded picture in the order of decoding. */
export interface CodedPicture {
  type: VopType;
  /** Position of its packet. */
  packet: number;
}

/**
 * The pictures in the order of presentation. A B picture is shown at once, every other one when the next of its kind has
 * been decoded. B pictures before the second of these are left out, because a reference is missing.
 */
export function presentationOrder(pictures: readonly CodedPicture[]): CodedPicture[] {
  const shown: CodedPicture[] = [];
  let waiting: CodedPicture | undefined;
  let anchors = 0;
  for (const picture of pictures) {
    if (picture.type === "B") {
      if (anchors >= 2) shown.push(picture);
      continue;
    }
    anchors++;
    if (waiting) shown.push(waiting);
    waiting = picture;
  }
  if (waiting) shown.push(waiting);
  return shown;
}
