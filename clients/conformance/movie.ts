/** Writes QuickTime movies of JPEG frames (QuickTime File Format, ISO/IEC 14496-12). */

export interface MovieOptions {
  /** One JPEG per frame. */
  samples: Buffer[];
  /** Pixels as stored. */
  width: number;
  height: number;
  /** Of each frame, or one value for each. */
  durationMs: number | readonly number[];
  /** The player shows the picture turned by 90 degrees. */
  isTurned?: boolean;
  /** Width to height of a pixel. */
  pixelAspect?: readonly [number, number];
  /** The movie starts with a gap of this length. */
  emptyEditMs?: number;
  /** The movie starts at this time of the frames. */
  skippedMs?: number;
  /** A second track that is disabled and comes first. */
  disabledFirst?: Omit<MovieOptions, "disabledFirst">;
}

const TIMESCALE = 1000;

const u16 = (...values: number[]) =>
  Buffer.from(values.flatMap((value) => [(value >> 8) & 255, value & 255]));
const u32 = (...values: number[]) => {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value >>> 0, 4 * index);
  return bytes;
};
const atom = (type: string, ...parts: Buffer[]): Buffer => {
  const body = Buffer.concat(parts);
  return Buffer.concat([u32(body.length + 8), Buffer.from(type, "latin1"), body]);
};
/** An atom with version 0 and flags. */
const full = (type: string, flags: number, ...parts: Buffer[]) => atom(type, u32(flags), ...parts);

const FIXED_ONE = 0x10000;
const UNTURNED = u32(FIXED_ONE, 0, 0, 0, FIXED_ONE, 0, 0, 0, 0x40000000);
/** By 90 degrees clockwise: x' = height - y, y' = x. */
const turned = (height: number) => u32(0, FIXED_ONE, 0, -FIXED_ONE, 0, 0, height * FIXED_ONE, 0, 0x40000000);

const durationsOf = ({ samples, durationMs }: MovieOptions) =>
  samples.map((_, index) => (typeof durationMs === "number" ? durationMs : (durationMs[index] ?? 0)));

/** Where a track's samples begin in the file is known only when the file is laid out. */
function track(options: MovieOptions, id: number, isEnabled: boolean, firstOffset: number): Buffer {
  const { samples, width, height, isTurned, pixelAspect, emptyEditMs = 0, skippedMs = 0 } = options;
  const durations = durationsOf(options);
  const total = durations.reduce((sum, one) => sum + one, 0);
  const shown = total - skippedMs;
  const sampleEntry = atom(
    "jpeg",
    Buffer.alloc(6),
    u16(1),
    u16(0, 0),
    u32(0, 0, 0),
    u16(width, height),
    u32(0x480000, 0x480000, 0),
    u16(1),
    Buffer.alloc(32),
    u16(24, 0xffff),
    pixelAspect ? atom("pasp", u32(...pixelAspect)) : Buffer.alloc(0),
  );
  const offsets = samples.map((_, index) =>
    samples.slice(0, index).reduce((sum, { length }) => sum + length, firstOffset),
  );
  const edits = [
    ...(emptyEditMs > 0 ? [u32(emptyEditMs, 0xffffffff, FIXED_ONE)] : []),
    u32(shown, skippedMs, FIXED_ONE),
  ];
  return atom(
    "trak",
    full(
      "tkhd",
      isEnabled ? 7 : 6,
      u32(0, 0, id, 0, shown + emptyEditMs, 0, 0),
      u16(0, 0, 0, 0),
      isTurned ? turned(height) : UNTURNED,
      u32(width * FIXED_ONE, height * FIXED_ONE),
    ),
    atom("edts", full("elst", 0, u32(edits.length), ...edits)),
    atom(
      "mdia",
      full("mdhd", 0, u32(0, 0, TIMESCALE, total), u16(0, 0)),
      full("hdlr", 0, Buffer.from("mhlrvide", "latin1"), u32(0, 0, 0), Buffer.from([0])),
      atom(
        "minf",
        full("vmhd", 1, u16(0, 0, 0, 0)),
        atom("dinf", full("dref", 0, u32(1), full("url ", 1))),
        atom(
          "stbl",
          full("stsd", 0, u32(1), sampleEntry),
          full("stts", 0, u32(durations.length), ...durations.map((one) => u32(1, one))),
          full("stsc", 0, u32(1), u32(1, 1, 1)),
          full("stsz", 0, u32(0, samples.length), u32(...samples.map(({ length }) => length))),
          full("stco", 0, u32(samples.length), u32(...offsets)),
        ),
      ),
    ),
  );
}

export function movie(options: MovieOptions): Buffer {
  const tracks: MovieOptions[] = [...(options.disabledFirst ? [options.disabledFirst] : []), options];
  const fileType = atom("ftyp", Buffer.from("qt  ", "latin1"), u32(0x200), Buffer.from("qt  ", "latin1"));
  const samples = tracks.flatMap((one) => one.samples);
  const data = atom("mdat", ...samples);
  const total = Math.max(
    ...tracks.map((one) => durationsOf(one).reduce((sum, ms) => sum + ms, 0) + (one.emptyEditMs ?? 0)),
  );
  let offset = fileType.length + 8;
  const boxes = tracks.map((one, index) => {
    const isEnabled = index === tracks.length - 1;
    const box = track(one, index + 1, isEnabled, offset);
    offset += one.samples.reduce((sum, { length }) => sum + length, 0);
    return box;
  });
  const header = full(
    "mvhd",
    0,
    u32(0, 0, TIMESCALE, total, FIXED_ONE),
    u16(0x100),
    Buffer.alloc(10),
    UNTURNED,
    u32(0, 0, 0, 0, 0, 0, tracks.length + 1),
  );
  return Buffer.concat([fileType, data, atom("moov", header, ...boxes)]);
}
