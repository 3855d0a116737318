/** Which packets are frames, by the rules of each codec. */
import type { ProbeRequest } from "./ffprobe.js";
import { type FrameList, framesByTime, framesInOrder } from "./frame-list.js";
import { createFieldFinder } from "./h264-fields.js";
import type { FrameLimit } from "./limits.js";
import { type CodedPicture, createMpeg4Parser, presentationOrder } from "./mpeg4-vops.js";
import { type Packets, seekTicksOf } from "./packets.js";
import { readExtradata, readPayloads } from "./payloads.js";
import type { IndexedStream } from "./probed-video.js";
import { showsVp8Picture, showsVp9Picture } from "./vpx-frames.js";

/**
 * The frames of a video by its packets. One packet is one frame, except hidden reference frames of VP8 and VP9, the second
 * fields of interlaced H.264, and packed and placeholder pictures of MPEG-4 part 2. Packets that the container's edit list
 * excludes are no frames.
 *
 * @returns null when the packets do not identify the frames
 * @throws the error of `limit` when one of the packets contains too many pictures
 */
export async function framesOfPackets(
  probe: ProbeRequest,
  stream: IndexedStream,
  packets: Packets,
  frameTicks: number,
  limit: FrameLimit,
): Promise<FrameList | null> {
  const { codec_name } = stream;
  if (codec_name === "mpeg4") return mpeg4Frames(probe, stream.index, packets, frameTicks, limit);
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
  return framesOf(packets, new Uint8Array(packets.length).fill(1));
}

/** @param isFrame 1 for each packet that is a frame; null when unknown */
async function framesOf(packets: Packets, isFrame: Uint8Array | null): Promise<FrameList | null> {
  if (!isFrame) return null;
  const { pts, isKey, isDiscarded } = packets;
  const isHidden = isFrame.map((flag, i) => (isDiscarded[i] === 1 || flag === 0 ? 1 : 0));
  return framesByTime({ ticks: pts, isKey, isHidden });
}

async function readFlags(
  probe: ProbeRequest,
  stream: number,
  packets: Packets,
  flagOf: (payload: Buffer) => boolean,
): Promise<Uint8Array | null> {
  const flags = new Uint8Array(packets.length);
  const isComplete = await readPayloads(probe, stream, packets, (payload, packet) => {
    flags[packet] = flagOf(payload) ? 1 : 0;
  });
  return isComplete ? flags : null;
}

async function mpeg4Frames(
  probe: ProbeRequest,
  stream: number,
  packets: Packets,
  frameTicks: number,
  limit: FrameLimit,
): Promise<FrameList | null> {
  const parser = createMpeg4Parser(await readExtradata(probe, stream));
  const coded: CodedPicture[] = [];
  const isComplete = await readPayloads(probe, stream, packets, (payload, packet) => {
    for (const type of parser.parse(payload)) {
      if (coded.length >= limit.maxFrames) throw limit.exceeded();
      coded.push({ type, packet });
    }
  });
  if (!isComplete) return null;
  const perPacket = new Uint8Array(packets.length);
  for (const { packet } of coded) perPacket[packet] = (perPacket[packet] ?? 0) + 1;
  if (perPacket.every((pictures) => pictures <= 1)) {
    const byTime = await framesOf(packets, perPacket);
    if (byTime) return byTime;
  }
  // Pictures before the first keyframe depend on a reference that is not in the file.
  if (coded[0]?.type !== "I" || packets.isDiscarded.includes(1)) return null;

  const shown = presentationOrder(coded);
  const entries = shown.flatMap(({ type, packet }, frame) =>
    type === "I" && packets.isKey[packet] === 1 ? [{ frame, seekTicks: seekTicksOf(packets, packet) }] : [],
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
function timesInOrder(pictures: number, { pts, dts }: Packets): number[] {
  const hasTimes = pts.every((time) => !Number.isNaN(time));
  const times = Float64Array.from(hasTimes ? pts : dts).sort();
  return Array.from({ length: pictures }, (_, i) => times[hasTimes ? i : i + 1] ?? Number.NaN);
}
