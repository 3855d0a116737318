/** The pictures of a live session as a media source: it grows at its end, and only its last frames can be read. */
import { ProtocolError } from "../../protocol/errors.js";
import type { MediaLimits } from "../media/limits.js";
import { rememberLastFrame } from "../media/range.js";
import type { FrameRange, LiveFacts, MediaFrame, MediaSource } from "../media/source.js";
import { readPicture } from "../media/stills.js";
import type { OwnerPictures } from "../pictures/pictures.js";
import { createKeptFrames, type KeptFrame, type KeptFramesLimits } from "./kept-frames.js";
import type { FrameSize } from "./sized-engine.js";

export interface LiveMedia extends MediaSource {
  readonly facts: LiveFacts;
  /** The index of the newest frame that is kept; undefined when there is none. */
  readonly latest: number | undefined;
  /** Gives a picture that arrives its number, and keeps it. Nothing is checked yet. */
  arrive(picture: Uint8Array, timestampUs: number): KeptFrame;
  /**
   * The pixels of a frame, also of one that is no longer kept. The frame must be a picture of the session's size; the first
   * frame that can be decoded sets the size of a session without one. A frame that fails is no longer kept.
   * @returns `[height, width, 3]` uint8
   * @throws ProtocolError media_unsupported, media_unreadable, server_overloaded
   */
  decode(frame: KeptFrame, size: FrameSize): Promise<Uint8Array>;
}

export interface LiveMediaOptions {
  pictures: OwnerPictures;
  limits: MediaLimits;
  kept: KeptFramesLimits;
  /** The size that the pictures must have; absent: that of the first one. */
  size?: FrameSize;
}

export function createLiveMedia({ pictures, limits, kept: keptLimits, size }: LiveMediaOptions): LiveMedia {
  const kept = createKeptFrames(keptLimits);
  const closing = new AbortController();
  let numFrames = 0;
  let expected = size;

  function find(index: number): KeptFrame {
    const frame = kept.get(index);
    if (frame) return frame;
    const message = `Frame ${index} cannot be read; ${describeKept()}.`;
    throw new ProtocolError("frame_out_of_range", message, "frame_index");
  }

  function describeKept(): string {
    const [first] = kept.indices;
    const last = kept.indices.at(-1);
    if (first === undefined) return "the session keeps no frame";
    return `the session keeps its last frames, which are ${first}..${last}`;
  }

  function checkSize(index: number, { width, height }: FrameSize): void {
    if (!expected || (width === expected.width && height === expected.height)) return;
    throw new ProtocolError(
      "media_unsupported",
      `Frame ${index} is ${width}×${height}; expected ${expected.width}×${expected.height}, the size of this session.`,
    );
  }

  async function decode({ index, picture }: KeptFrame, to: FrameSize): Promise<Uint8Array> {
    const reading = { pictures, limits, signal: closing.signal };
    try {
      const sizes = { size: to, ...(expected && { expected }) };
      const { rgb, ...size } = await readPicture(picture, `Frame ${index}`, sizes, reading);
      // Another frame may have set the size during the decoding.
      checkSize(index, size);
      if (!rgb) throw new Error(`frame ${index} was not decoded`);
      expected ??= { width: size.width, height: size.height };
      return rgb;
    } catch (error) {
      // A machine without free memory or descriptors can decode the picture later.
      if (!(error instanceof ProtocolError) || !error.retryable) kept.drop(index);
      throw error;
    }
  }

  async function* frames({ startFrame, count, direction, width, height, signal }: FrameRange) {
    const either = signal ? AbortSignal.any([signal, closing.signal]) : closing.signal;
    for (let step = 0; step < count; step++) {
      either.throwIfAborted();
      const index = direction === "forward" ? startFrame + step : startFrame - step;
      if (index < 0 || index >= numFrames) return;
      const frame = find(index);
      const rgb = await decode(frame, { width, height });
      either.throwIfAborted();
      yield { index, timestampUs: frame.timestampUs, rgb } satisfies MediaFrame;
    }
  }

  return {
    facts: {
      kind: "live",
      get width() {
        return expected?.width ?? 0;
      },
      get height() {
        return expected?.height ?? 0;
      },
      get numFrames() {
        return numFrames;
      },
      fps: null,
      startTimeUs: null,
      durationS: null,
      codec: "images",
      rotationDeg: 0,
    },
    arrive(picture, timestampUs) {
      const frame = { index: numFrames++, timestampUs, picture };
      kept.add(frame);
      return frame;
    },
    get latest() {
      return kept.indices.at(-1);
    },
    decode,
    frames,
    frame: rememberLastFrame(frames),
    timeOf: (index) => find(index).timestampUs,
    async close() {
      closing.abort(new DOMException("the live session was closed", "AbortError"));
      kept.clear();
    },
  };
}
