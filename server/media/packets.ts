import { mediaUnreadable, mediaUnsupported } from "./errors.js";
import { ffprobeLines, type ProbeRequest } from "./ffprobe.js";
import type { OnProgress } from "./progress.js";

/** One packet of a video stream: usually one picture, compressed. */
export interface Packet {
  /** Presentation time in ticks of the stream; NaN when the container states none. */
  pts: number;
  /** Time at which the packet is decoded, in the same ticks; NaN when unknown. */
  dts: number;
  bytes: number;
  /** True when the container marks it as a point where decoding can start. */
  isKey: boolean;
  /** True when the container's edit list excludes it from presentation. */
  isDiscarded: boolean;
}

/**
 * Bytes of ffprobe's output for one packet, on average: about 60, more where a version adds side data. Together with
 * the limit on frames this bounds the whole output.
 */
const MAX_BYTES_PER_PACKET = 256;

/** Fields, hidden reference frames and placeholders: a video may have more packets than frames. */
const MAX_PACKETS_PER_FRAME = 3;

const LINE = /pts=(-?\d+|N\/A)\|dts=(-?\d+|N\/A)\|size=(\d+)\|pos=(\d+|N\/A)\|flags=(\S+)/;

/**
 * The packets of one stream in the order of the file, which is the order of decoding. Nothing is decoded.
 *
 * Throws `media_unreadable` when there is none, `media_unsupported` when there are more than `maxFrames` can need, and the
 * errors of {@link ffprobeLines}.
 */
export async function readPackets(
  probe: ProbeRequest,
  stream: number,
  maxFrames: number,
  onProgress?: OnProgress,
): Promise<Packet[]> {
  const size = await probe.file.size();
  const packets: Packet[] = [];
  const maxPackets = maxFrames * MAX_PACKETS_PER_FRAME;
  await ffprobeLines(probe, {
    options: [
      ...["-select_streams", String(stream)],
      ...["-show_entries", "packet=pts,dts,size,pos,flags", "-of", "compact=p=0"],
    ],
    // At least a megabyte, so that a low `maxFrames` is reported as such.
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
      if (packets.length >= maxPackets)
        throw mediaUnsupported(`The video has more than ${maxFrames} frames.`);
      onProgress?.({ stage: "index", fraction: Number(position) / size });
      packets.push({
        pts: Number(pts),
        dts: Number(dts),
        bytes: Number(bytes),
        isKey: flags.includes("K"),
        isDiscarded: flags.includes("D"),
      });
    },
  });
  if (packets.length === 0) throw mediaUnreadable("The video has no frames.");
  return packets;
}
