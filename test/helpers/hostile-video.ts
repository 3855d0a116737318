/** Small video files that ask for a lot of work. */
import { deflateSync } from "node:zlib";

type Part = Buffer | string | number;

/** Bytes of text as they are, of numbers as 32 bits with the highest first. */
export function bytes(...parts: Part[]): Buffer {
  return Buffer.concat(
    parts.map((part) => {
      if (typeof part === "string") return Buffer.from(part, "latin1");
      if (typeof part !== "number") return part;
      const number = Buffer.alloc(4);
      number.writeUInt32BE(part >>> 0);
      return number;
    }),
  );
}

/** A box of an MP4 file. */
export function box(type: string, ...content: Part[]): Buffer {
  const inside = bytes(...content);
  return bytes(8 + inside.length, type, inside);
}

export interface TrackOptions {
  kind?: "video" | "sound";
  /** Samples that `stsz` declares, all of `sampleBytes`. */
  samples: number;
  sampleBytes?: number;
  /** Ticks of one sample; the clock has 1000 in a second. */
  ticks?: number;
  /** Edits, each of which presents the whole track. */
  edits?: number;
  /** Each sample in a table. */
  table?: boolean;
  /** Chunks that all begin at the same byte and contain the first samples. */
  chunks?: number;
}

/** An MP4 track of 16×16 pixels of motion JPEG, or of uncompressed sound. */
export function track(options: TrackOptions): Buffer {
  const {
    kind = "video",
    samples,
    sampleBytes = 1,
    ticks = 1,
    edits = 0,
    table = false,
    chunks = 1,
  } = options;
  const isVideo = kind === "video";
  const media = box("hdlr", 0, 0, isVideo ? "vide" : "soun", 0, 0, 0, "\0");
  const entry = isVideo
    ? box("jpeg", 0, 1, Buffer.alloc(16), Buffer.from([0, 16, 0, 16]), Buffer.alloc(50))
    : box("sowt", 0, 1, Buffer.alloc(8), Buffer.from([0, 1, 0, 16]), 0, 1000 * 65536);
  const edit = box("edts", box("elst", 0, edits, ...Array(edits).fill(bytes(samples * ticks, 0, 0x10000))));
  const sizes = table
    ? box("stsz", 0, 0, samples, Buffer.alloc(4 * samples, bytes(sampleBytes)))
    : box("stsz", 0, sampleBytes, samples);
  return box(
    "trak",
    box("tkhd", 7, 0, 0, isVideo ? 1 : 2, 0, samples * ticks, Buffer.alloc(52), 16 << 16, 16 << 16),
    ...(edits > 0 ? [edit] : []),
    box(
      "mdia",
      box("mdhd", 0, 0, 0, 1000, samples * ticks, 0),
      media,
      box(
        "minf",
        box("dinf", box("dref", 0, 1, box("url ", 1))),
        box(
          "stbl",
          box("stsd", 0, 1, entry),
          box("stts", 0, 1, samples, ticks),
          box("stsc", 0, 1, 1, Math.ceil(samples / chunks), 1),
          sizes,
          box("stco", 0, chunks, ...Array(chunks).fill(bytes(24))),
        ),
      ),
    ),
  );
}

/** The header of an MP4 file. */
export function header(...content: Buffer[]): Buffer {
  return box("moov", box("mvhd", 0, 0, 0, 1000, 1000, Buffer.alloc(80)), ...content);
}

/** An MP4 file of these boxes after its first one, padded to `fileBytes`. */
export function mp4(content: Buffer[], fileBytes = 20_000): Buffer {
  const start = bytes(box("ftyp", "isom", 0, "isom"), ...content);
  return bytes(start, box("mdat", Buffer.alloc(Math.max(0, fileBytes - start.length - 8), 0xff)));
}

/** An element of a Matroska file, with its length in 8 bytes. */
function element(id: string, content: Buffer): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE(BigInt(content.length));
  length[0] = 1;
  return bytes(Buffer.from(id, "hex"), length, content);
}

/** A Matroska file of motion JPEG in which each block contains 256 frames of one byte. */
export function lacedMatroska(blocks: number): Buffer {
  const number = (id: string, value: number) => element(id, bytes(value));
  const text = (id: string, value: string) => element(id, bytes(value));
  const video = element("e0", bytes(number("b0", 16), number("ba", 16)));
  const track = bytes(number("d7", 1), number("73c5", 1), number("83", 1), text("86", "V_MJPEG"), video);
  const block = (time: number) =>
    // Track 1, the time, a keyframe with lacing of one size, and 256 frames.
    element("a3", bytes(Buffer.from([0x81, time >> 8, time & 255, 0x84, 255]), Buffer.alloc(256, 255)));
  const cluster = bytes(number("e7", 0), ...Array.from({ length: blocks }, (_, i) => block(i)));
  return bytes(
    element("1a45dfa3", bytes(text("4282", "matroska"), number("4287", 2), number("4285", 2))),
    element("18538067", bytes(element("1654ae6b", element("ae", track)), element("1f43b675", cluster))),
  );
}

/** A WebP animation of pictures of one pixel. */
export function webpAnimation(pictures: number): Buffer {
  const chunk = (name: string, content: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(content.length);
    return bytes(name, length, content, Buffer.alloc(content.length % 2));
  };
  const picture = chunk("VP8L", Buffer.from("2f000000001007101111888808", "hex"));
  const shown = chunk("ANMF", bytes(Buffer.alloc(12), Buffer.from([40, 0, 0, 0]), picture));
  const header = chunk("VP8X", Buffer.from([2, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
  const content = bytes("WEBP", header, chunk("ANIM", Buffer.alloc(6)), ...Array(pictures).fill(shown));
  return chunk("RIFF", content);
}

/** A fragment that declares samples of one byte each, without an entry for any of them. */
export function fragment(samples: number): Buffer {
  return box("moof", box("mfhd", 0, 1), box("traf", box("tfhd", 0x20018, 1, 1, 1), box("trun", 0, samples)));
}

/** A header whose samples are in fragments. */
export function fragmentedHeader(): Buffer {
  return header(track({ samples: 0 }), box("mvex", box("trex", 0, 1, 1, 1, 1, 0)));
}

/** A header that is compressed as QuickTime does. */
export function compressed(plain: Buffer, statedBytes = plain.length): Buffer {
  return box("moov", box("cmov", box("dcom", "zlib"), box("cmvd", statedBytes, deflateSync(plain))));
}
