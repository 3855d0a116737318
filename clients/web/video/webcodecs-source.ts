/** Pictures that the browser decodes itself: mediabunny reads the file, WebCodecs decodes it. */
import {
  ALL_FORMATS,
  BlobSource,
  EncodedPacketSink,
  Input,
  type InputVideoTrack,
  UrlSource,
  type VideoSample,
  VideoSampleSink,
} from "mediabunny";
import { authorization } from "../connection/http.js";
import { createDecodeQueue, type DecodedFrame } from "./decode-queue.js";
import { type FramePicture, pictureOfBitmap } from "./frame-picture.js";
import type { FrameSource } from "./frame-source.js";
import { frameAtTime, frameOfTime, matchTimes } from "./frame-times.js";

/** Why the browser cannot show this video frame by frame. */
export class UnusableVideo extends Error {}

export interface WebCodecsOptions {
  /** A local file, or the address of the server's file. */
  media: Blob | string;
  /** Of all frames, from the server. */
  frameTimesUs: ArrayLike<number>;
  /** The size of frames on the server, in pixels. */
  width: number;
  height: number;
  maxBytes?: number;
}

const MAX_BYTES = 128 * 2 ** 20;
/** Pictures that are larger are drawn smaller. */
const MAX_SIDE_PX = 1920;
/** Packet times are rounded by decoders. */
const ROUNDING_US = 1000;
/** Pictures that an edit list hides. */
const MAX_HIDDEN = 10_000;

/** @throws UnusableVideo when the browser lacks the codec, or counts other frames than the server. */
export async function openWebCodecs(options: WebCodecsOptions): Promise<FrameSource> {
  if (!("VideoDecoder" in globalThis)) throw new UnusableVideo("the browser has no WebCodecs");
  const { media } = options;
  const source =
    typeof media === "string"
      ? new UrlSource(media, { requestInit: { headers: authorization() }, handleUnhandledError: () => {} })
      : new BlobSource(media);
  const input = new Input({ source, formats: ALL_FORMATS });
  try {
    const track = await input.getPrimaryVideoTrack();
    if (!track) throw new UnusableVideo("the browser finds no video in the file");
    if (!(await track.canDecode())) {
      throw new UnusableVideo(`the browser cannot decode ${(await track.getCodec()) ?? "this codec"}`);
    }
    const index = await readIndex(track, options.frameTimesUs);
    return createSource(input, track, index, options);
  } catch (error) {
    input.dispose();
    if (error instanceof UnusableVideo) throw error;
    throw new UnusableVideo(`the browser cannot read the file: ${error}`, { cause: error });
  }
}

interface Index {
  /** Of each frame, on the clock of the browser, in microseconds. */
  timesUs: Float64Array;
  /** Frames that decoding can start with, ascending. */
  keyFrames: readonly number[];
}

async function readIndex(track: InputVideoTrack, serverUs: ArrayLike<number>): Promise<Index> {
  const times: number[] = [];
  const keyTimes: number[] = [];
  const packets = new EncodedPacketSink(track).packets(undefined, undefined, { metadataOnly: true });
  for await (const { timestamp, type } of packets) {
    times.push(timestamp * 1e6);
    if (type === "key") keyTimes.push(timestamp * 1e6);
    if (times.length > serverUs.length + MAX_HIDDEN) break;
  }
  const match = matchTimes(serverUs, times);
  if ("reason" in match) throw new UnusableVideo(match.reason);
  const { timesUs } = match;
  const keyFrames = keyTimes.map((time) => Math.max(0, frameAtTime(timesUs, time + 1))).sort((a, b) => a - b);
  return { timesUs, keyFrames };
}

/**
 * Whether decoded pictures can be kept as the decoder returns them, which is faster and smaller than RGB. Those of a hardware
 * decoder cannot: it waits until they are closed.
 */
async function keepsSamples(track: InputVideoTrack): Promise<boolean> {
  const config = await track.getDecoderConfig();
  if (!config) return false;
  const { supported } = await VideoDecoder.isConfigSupported({
    ...config,
    hardwareAcceleration: "prefer-software",
  });
  return supported === true;
}

async function createSource(
  input: Input,
  track: InputVideoTrack,
  { timesUs, keyFrames }: Index,
  { width, height, maxBytes = MAX_BYTES }: WebCodecsOptions,
): Promise<FrameSource> {
  const areKept = await keepsSamples(track);
  const sink = new VideoSampleSink(track, areKept ? { hardwareAcceleration: "prefer-software" } : {});
  const scale = Math.min(1, MAX_SIDE_PX / Math.max(width, height));
  const size = {
    width: Math.max(1, Math.round(width * scale)),
    height: Math.max(1, Math.round(height * scale)),
  };
  const canvas = new OffscreenCanvas(size.width, size.height);
  const context = canvas.getContext("2d", { alpha: false }) as OffscreenCanvasRenderingContext2D;

  function toPicture(sample: VideoSample): FramePicture {
    if (areKept) return pictureOfSample(sample, size);
    sample.draw(context, 0, 0, size.width, size.height);
    sample.close();
    return pictureOfBitmap(canvas.transferToImageBitmap());
  }

  const decoded = (sample: VideoSample): DecodedFrame | undefined => {
    const frame = frameOfTime(timesUs, sample.timestamp * 1e6, ROUNDING_US);
    if (frame !== undefined) return { frame, picture: toPicture(sample) };
    sample.close();
    return undefined;
  };
  const secondsOf = (frame: number) => (timesUs[frame] as number) / 1e6;

  const queue = createDecodeQueue({
    numFrames: timesUs.length,
    keyFrames,
    maxBytes,
    async *read(first) {
      for await (const sample of sink.samples(secondsOf(first))) {
        const one = decoded(sample);
        if (one) yield one;
      }
    },
    async readKey(frame) {
      const sample = await sink.getSample(secondsOf(frame));
      return sample ? decoded(sample) : undefined;
    },
  });
  return {
    kind: "webcodecs",
    ...queue,
    dispose() {
      void queue.dispose().finally(() => input.dispose());
    },
  };
}

function pictureOfSample(sample: VideoSample, size: { width: number; height: number }): FramePicture {
  return {
    ...size,
    bytes: Math.ceil(1.5 * sample.codedWidth * sample.codedHeight),
    draw: (context, width, height) => sample.draw(context, 0, 0, width, height),
    close: () => sample.close(),
  };
}
