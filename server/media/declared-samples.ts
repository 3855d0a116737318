/**
 * How many samples the header of an MP4 or QuickTime file declares. A few bytes can declare millions, and ffprobe allocates an
 * index entry for each before it reads the first. ISO/IEC 14496-12; the places where ffmpeg's demuxer accepts a box.
 */
import { promisify } from "node:util";
import { inflate } from "node:zlib";
import { mediaUnsupported } from "./errors.js";
import type { MediaFile } from "./media-file.js";
import { createPagedReader, type Read } from "./paged-reader.js";

/** Samples that any file may declare, and bytes of the file for each further one. A sample has content and an entry in a table. */
const SAMPLES_OF_ANY_FILE = 1_000_000;
const MIN_BYTES_PER_SAMPLE = 4;

/** For all tracks together: ffprobe takes about 45 bytes for each. */
const MAX_SAMPLES = 16_000_000;

/** Boxes that are read. A recording of a day in fragments of half a second has about a million. */
const MAX_BOXES = 2_000_000;

/** Boxes that contain boxes. ffmpeg accepts a table in each of them, also outside its track. */
const CONTAINERS = new Set(
  "moov trak mdia minf stbl edts udta dinf mvex moof traf tref wave sinf schi ipro meta gmhd clip matt cmov".split(
    " ",
  ),
);

const MAX_DEPTH = 12;

/** A compressed header (`cmov`) may expand to this; the header of a video with a million frames takes less. */
const MAX_EXPANDED_HEADER_BYTES = 32 * 1024 * 1024;

/** Samples of sound of one tick each, as of uncompressed sound, that ffmpeg combines to one packet at least. */
const TICKS_PER_PACKET = 512;

interface Reader {
  size: number;
  read: Read;
}

interface Track {
  isSound: boolean;
  samples: number;
  edits: number;
  /** Each sample lasts one tick. */
  isEvenByTick: boolean;
}

interface Walk {
  boxes: number;
  /** Of the tracks that are read and of fragments. */
  samples: number;
  track: Track;
  isExpanded: boolean;
}

/**
 * Throws `media_unsupported` when the file declares more samples than its size and the limits allow. Damaged boxes end the
 * reading of their container without an error: ffprobe reports them.
 */
export async function checkDeclaredSamples(file: MediaFile): Promise<void> {
  const size = await file.size();
  const limit = Math.min(MAX_SAMPLES, SAMPLES_OF_ANY_FILE + size / MIN_BYTES_PER_SAMPLE);
  const walk: Walk = { boxes: 0, samples: 0, track: emptyTrack(), isExpanded: false };
  await readBoxes({ size, read: createPagedReader(file) }, 0, size, 0, walk);
  finishTrack(walk);
  if (walk.samples <= limit) return;
  throw mediaUnsupported(
    `The video's header declares ${walk.samples} samples; the limit is ${Math.floor(limit)} for a file of ${size} bytes.`,
  );
}

async function readBoxes(reader: Reader, from: number, to: number, depth: number, walk: Walk): Promise<void> {
  for (let at = from; at + 8 <= to; ) {
    if (++walk.boxes > MAX_BOXES)
      throw mediaUnsupported(`The video's header has more than ${MAX_BOXES} boxes.`);
    const header = await reader.read(at, 16);
    if (header.length < 8) return;
    const length = header.readUInt32BE(0);
    const isLong = length === 1 && header.length === 16;
    const bytes = length === 0 ? to - at : isLong ? Number(header.readBigUInt64BE(8)) : length;
    const content = at + (isLong ? 16 : 8);
    const end = Math.min(to, at + bytes);
    if (at + bytes < content) return;
    const type = header.toString("latin1", 4, 8);
    if (type === "trak") finishTrack(walk);
    if (type === "cmov") await readCompressedHeader(reader, content, end, walk);
    else if (CONTAINERS.has(type)) {
      // `meta` has a version and flags before its boxes, except in QuickTime.
      const skipped = type === "meta" && !(await startsWithBox(reader, content)) ? 4 : 0;
      if (depth < MAX_DEPTH) await readBoxes(reader, content + skipped, end, depth + 1, walk);
    } else if (["free", "hoov"].includes(type) && ["mvhd", "cmov"].includes(await typeAt(reader, content))) {
      // ffmpeg finds a header also in the place that was kept free for it.
      await readBoxes(reader, content, end, depth + 1, walk);
    } else await readTable(reader, type, content, end, walk);
    at += bytes;
  }
}

async function readTable(
  reader: Reader,
  type: string,
  content: number,
  end: number,
  walk: Walk,
): Promise<void> {
  if (!["hdlr", "stsz", "stz2", "stts", "elst", "trun"].includes(type)) return;
  const fields = await reader.read(content, Math.min(16, end - content));
  const field = (at: number) => (at + 4 <= fields.length ? fields.readUInt32BE(at) : 0);
  const { track } = walk;
  // The first four bytes are the version and flags.
  if (type === "hdlr") track.isSound = fields.toString("latin1", 8, 12) === "soun";
  if (type === "stsz" || type === "stz2") track.samples += field(8);
  if (type === "stts") track.isEvenByTick = field(4) === 1 && field(12) === 1;
  if (type === "elst") track.edits += field(4);
  if (type === "trun") walk.samples += field(4);
}

/** A QuickTime header that is compressed as a whole: `dcom` names the method, `cmvd` has the expanded size and the data. */
async function readCompressedHeader(reader: Reader, from: number, to: number, walk: Walk): Promise<void> {
  const tooLarge = () =>
    mediaUnsupported(
      `The video's compressed header expands to more than ${MAX_EXPANDED_HEADER_BYTES} bytes.`,
    );
  if (walk.isExpanded) throw mediaUnsupported("The video's compressed header contains a compressed header.");
  for (let at = from; at + 8 <= to; ) {
    const header = await reader.read(at, 12);
    if (header.length < 12) return;
    const bytes = header.readUInt32BE(0);
    if (bytes < 8) return;
    if (header.toString("latin1", 4, 8) === "cmvd") {
      const end = Math.min(to, at + bytes);
      if (header.readUInt32BE(8) > MAX_EXPANDED_HEADER_BYTES || end - at > MAX_EXPANDED_HEADER_BYTES)
        throw tooLarge();
      const expanded = await expand(await reader.read(at + 12, end - at - 12));
      if (expanded === "too large") throw tooLarge();
      const inner: Reader = {
        size: expanded.length,
        read: async (start, length) => expanded.subarray(start, start + length),
      };
      walk.isExpanded = true;
      await readBoxes(inner, 0, expanded.length, 1, walk);
      return;
    }
    at += bytes;
  }
}

/** Empty when the data is damaged, which ffprobe reports. */
async function expand(data: Buffer): Promise<Buffer | "too large"> {
  try {
    return await promisify(inflate)(data, { maxOutputLength: MAX_EXPANDED_HEADER_BYTES });
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE" ? "too large" : Buffer.alloc(0);
  }
}

function finishTrack(walk: Walk): void {
  walk.samples += samplesOf(walk.track);
  walk.track = emptyTrack();
}

/** Index entries of ffprobe. Each edit can repeat all samples of its track. */
function samplesOf({ samples, edits, isSound, isEvenByTick }: Track): number {
  const entries = isSound && isEvenByTick ? Math.ceil(samples / TICKS_PER_PACKET) : samples;
  return entries * Math.max(1, edits);
}

function emptyTrack(): Track {
  return { isSound: false, samples: 0, edits: 0, isEvenByTick: false };
}

async function startsWithBox(reader: Reader, at: number): Promise<boolean> {
  return /^[\w -]{4}$/.test(await typeAt(reader, at));
}

async function typeAt(reader: Reader, at: number): Promise<string> {
  return (await reader.read(at + 4, 4)).toString("latin1");
}
