/** Which packets are frames, by the rules of each codec. */
import type { ProbeRequest } from "./ffprobe.js";
import { type FrameList, framesByTime, framesInOrder } from "./frame-list.js";
import { createFieldFinder } from "./h264-fields.js";
import { seekTicksOf } from "./index-by-decoding.js";
import { type CodedPicture, createMpeg4Parser, presentationOrder } from "./mpeg4-vops.js";
import type { Packet } from "./packets.js";
import { readExtradata, readPayloads } from "./payloads.js";
import type { IndexedStream } from "./probed-video.js";
import { showsVp8Picture, showsVp9Picture } from "./vpx-frames.js";

/**
 * The frames of a video by its packets. One packet is one frame, except hidden reference frames of VP8 and VP9, the second
 * fields of interlaced H.264, and packed and placeholder pictures of MPEG-4 part 2. Packets that the container's edit list
 * excludes are no frames.
 *
 * @returns null when the packets do not identify the frames
 */
export async function framesOfPackets(
  probe: ProbeRequest,
  stream: IndexedStream,
  packets: readonly Packet[],
  frameTicks: number,
): Promise<FrameList | null> {
  const { codec_name } = stream;
  if (codec_name === "mpeg4") return mpeg4Frames(probe, stream.index, packets, frameTicks);
  if (codec_name === "vp8")
    return framesOf(packets, await readFlags(probe, stream.index, packets, showsVp8Picture));
  if (codec_name === "vp9")
    return framesOf(packets, await readFlags(probe, stream.index, packets, showsVp9Picture));
  if (codec_name === "h264") {
    const finder = createFieldFinder(await readExtradata(probe, stream.index));
    const isFirst = (payload: Buffer) => !finder.isSecondField(payload);
    if (finder.mayFindFields)
      return framesOf(packets, await readFlags(probe, stream.index, packets, isFirst));
  }
  return framesOf(
    packets,
    packets.map(() => true),
  );
}

/** @param isFrame of each packet; null when unknown */
function framesOf(packets: readonly Packet[], isFrame: readonly boolean[] | null): FrameList | null {
  if (!isFrame) return null;
  const pictures = packets.map(({ pts, isKey, isDiscarded }, i) => {
    return { ticks: pts, isKey, isHidden: isDiscarded || !isFrame[i] };
  });
  return framesByTime(pictures);
}

async function readFlags(
  probe: ProbeRequest,
  stream: number,
  packets: readonly Packet[],
  flagOf: (payload: Buffer) => boolean,
): Promise<boolean[] | null> {
  const flags: boolean[] = [];
  const isComplete = await readPayloads(probe, stream, packets, (payload) => flags.push(flagOf(payload)));
  return isComplete ? flags : null;
}

async function mpeg4Frames(
  probe: ProbeRequest,
  stream: number,
  packets: readonly Packet[],
  frameTicks: number,
): Promise<FrameList | null> {
  const parser = createMpeg4Parser(await readExtradata(probe, stream));
  const coded: CodedPicture[] = [];
  const isComplete = await readPayloads(probe, stream, packets, (payload, packet) => {
    for (const type of parser.parse(payload)) coded.push({ type, packet });
  });
  if (!isComplete) return null;
  const perPacket = new Uint8Array(packets.length);
  for (const { packet } of coded) perPacket[packet] = (perPacket[packet] ?? 0) + 1;
  if (perPacket.every((pictures) => pictures <= 1)) {
    const byTime = framesOf(
      packets,
      Array.from(perPacket, (pictures) => pictures === 1),
    );
    if (byTime) return byTime;
  }
  // Pictures before the first keyframe depend on a reference that is not in the file.
  if (coded[0]?.type !== "I" || packets.some(({ isDiscarded }) => isDiscarded)) return null;

  const shown = presentationOrder(coded);
  const entries = shown.flatMap(({ type, packet }, frame) =>
    type === "I" && packets[packet]?.isKey
      ? [{ frame, seekTicks: seekTicksOf(packets[packet] as Packet) }]
      : [],
  );
  return framesInOrder({
    ticks: timesInOrder(shown.length, packets),
    frameTicks,
    entries,
    picturesBefore: 0,
  });
}

/**
 * Times of packed pictures. A packet has the time of one picture, and a packed picture the time of its placeholder, so that
 * all times together are those of all pictures. Where there are only times of decoding, a picture is shown when the packet
 * after the next one is read, as ffmpeg's decoder does.
 */
function timesInOrder(pictures: number, packets: readonly Packet[]): number[] {
  const hasTimes = packets.every(({ pts }) => !Number.isNaN(pts));
  const times = packets.map(({ pts, dts }) => (hasTimes ? pts : dts)).sort((a, b) => a - b);
  return Array.from({ length: pictures }, (_, i) => times[hasTimes ? i : i + 1] ?? Number.NaN);
}
