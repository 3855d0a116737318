import { mediaUnreadable, mediaUnsupported } from "./errors.js";
import { ffprobeLines, type ProbeRequest } from "./ffprobe.js";
import type { FrameLimit } from "./limits.js";
import type { OnProgress } from "./progress.js";

/**
 * The packets of a video stream in the order of the file, which is the order of decoding. A packet is usually one picture,
 * compressed. The values of packet `i` are at position `i` of each column.
 */
export interface Packets {
  readonly length: number;
  /** Presentation time in ticks of the stream; NaN when the container states none. */
  readonly pts: Float64Array;
  /** Time at which the packet is decoded, in the same ticks; NaN when unknown. */
  readonly dts: Float64Array;
  readonly bytes: Uint32Array;
  /** 1 when the container marks the packet as a point where decoding can start. */
  readonly isKey: Uint8Array;
  /** 1 when the container's edit list excludes the packet from presentation. */
  readonly isDiscarded: Uint8Array;
}

/**
 * Bytes of ffprobe's output for one packet, on average: about 60, more where a version adds side data. Together with
 * the limit on frames this bounds the whole output.
 */
const MAX_BYTES_PER_PACKET = 256;

/**
 * How often a file may refer to its bytes: edit lists repeat packets. Without a limit a small index reads the same megabytes
 * a million times. Packets that their container compresses may also be larger than the file.
 */
const MAX_READINGS = 16;
const READ_BYTES_OF_ANY_FILE = 16 * 1024 * 1024;

const LINE = /pts=(-?\d+|N\/A)\|dts=(-?\d+|N\/A)\|size=(\d+)\|pos=(\d+|N\/A)\|flags=(\S+)/;

/**
 * Reads the packets of one stream. Nothing is decoded.
 *
 * Throws `media_unreadable` when there is none, `media_unsupported` when there are more than the frames of the limit can need
 * or when they refer to the same bytes too often, and the errors of {@link ffprobeLines}.
 */
export async function readPackets(
  probe: ProbeRequest,
  stream: number,
  limit: FrameLimit,
  onProgress?: OnProgress,
): Promise<Packets> {
  const size = await probe.file.size();
  const { maxPackets } = limit;
  const maxReadBytes = READ_BYTES_OF_ANY_FILE + size * MAX_READINGS;
  const packets = createPackets();
  let readBytes = 0;
  await ffprobeLines(probe, {
    options: [
      ...["-select_streams", String(stream)],
      ...["-show_entries", "packet=pts,dts,size,pos,flags", "-of", "compact=p=0"],
    ],
    // At least a megabyte, so that a low limit is reported as such.
    maxBytes: Math.max(2 ** 20, maxPackets * MAX_BYTES_PER_PACKET),
    onLine: (line) => {
      const match = LINE.exec(line);
      if (!match) return;
      const [, pts, dts, bytes, position, flags] = match as unknown as [
        string,
        string,
        string,
        string,
        string,
        string,
      ];
      if (packets.length >= maxPackets) throw limit.exceeded();
      readBytes += Number(bytes);
      if (readBytes > maxReadBytes) {
        throw mediaUnsupported(
          `The video's index refers to more than ${maxReadBytes} bytes in a file of ${size} bytes.`,
        );
      }
      onProgress?.({ stage: "index", fraction: Number(position) / size });
      packets.add(Number(pts), Number(dts), Number(bytes), flags.includes("K"), flags.includes("D"));
    },
  });
  if (packets.length === 0) throw mediaUnreadable("The video has no frames.");
  return packets.finish();
}

/** Columns that grow: objects for each packet would take several times the memory. */
function createPackets() {
  let length = 0;
  let pts = new Float64Array(1024);
  let dts = new Float64Array(1024);
  let bytes = new Uint32Array(1024);
  let isKey = new Uint8Array(1024);
  let isDiscarded = new Uint8Array(1024);
  return {
    get length() {
      return length;
    },
    add(pt: number, dt: number, size: number, key: boolean, discarded: boolean) {
      if (length === pts.length) {
        pts = grown(pts);
        dts = grown(dts);
        bytes = grown(bytes);
        isKey = grown(isKey);
        isDiscarded = grown(isDiscarded);
      }
      pts[length] = pt;
      dts[length] = dt;
      bytes[length] = size;
      isKey[length] = key ? 1 : 0;
      isDiscarded[length] = discarded ? 1 : 0;
      length++;
    },
    finish: (): Packets => ({
      length,
      pts: pts.subarray(0, length),
      dts: dts.subarray(0, length),
      bytes: bytes.subarray(0, length),
      isKey: isKey.subarray(0, length),
      isDiscarded: isDiscarded.subarray(0, length),
    }),
  };
}

/** A copy of an array with room for twice as many values. */
export function grown<T extends Float64Array | Uint32Array | Uint8Array>(array: T): T {
  const copy = new (array.constructor as new (length: number) => T)(array.length * 2);
  copy.set(array);
  return copy;
}

/** The time by which demuxers find a packet: where presentation times are missing, as in AVI, that of decoding. */
export function seekTicksOf({ pts, dts }: Packets, packet: number): number {
  const time = pts[packet] as number;
  return Number.isNaN(time) ? (dts[packet] as number) : time;
}
