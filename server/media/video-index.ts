import { open, stat } from "node:fs/promises";
import { mediaUnreadable, mediaUnsupported } from "./errors.js";
import { ffprobeLines, type ProbeRequest } from "./ffprobe.js";
import type { OnProgress } from "./progress.js";

/** The frames of a video in presentation order, and where decoding can start. */
export interface VideoIndex {
  /** Presentation time of each frame in ticks of `timeBaseS`, strictly ascending, unless `byCount`. */
  pts: Float64Array;
  timeBaseS: number;
  /** Start of the container on the clock of `pts`; the origin of {@link timestampUs}. */
  startS: number;
  /** Positions in `pts` from which decoding can start, ascending. If empty, only from the file's start. */
  keyframes: Int32Array;
  /**
   * True when times do not identify frames. Decoding then always begins at the file's start, and the n-th decoded picture
   * is frame n.
   */
  byCount: boolean;
}

interface TickList {
  pts: Float64Array;
  keyPts: Float64Array;
  /** False when a time is missing or occurs twice. */
  unique: boolean;
}

/**
 * Bytes of ffprobe's output for one frame or packet, on average: about 50, more where a version adds side data.
 * Together with `maxFrames` this bounds the whole output, including packets that are not counted as frames.
 */
const MAX_INDEX_BYTES_PER_FRAME = 256;

/**
 * Indexes the container's packets without decoding: one packet is one frame. `ticks` is null when a time is
 * missing or occurs twice.
 *
 * Two kinds of packets are left out because they decode to no picture: those that the container's edit list discards, and
 * those shown before the first keyframe, with which a clip cut out of a longer one may begin.
 */
export async function indexPackets(
  probe: ProbeRequest,
  stream: number,
  maxFrames: number,
  onProgress?: OnProgress,
) {
  const { size } = await stat(probe.path);
  const ticks = new TickCollector(maxFrames);
  let firstKey = Number.POSITIVE_INFINITY;
  let packets = 0;
  await ffprobeLines(probe, {
    options: [
      "-select_streams",
      String(stream),
      "-show_entries",
      "packet=pts,pos,flags",
      "-of",
      "compact=p=0",
    ],
    maxBytes: maxIndexBytes(maxFrames),
    onLine: (line) => {
      const match = /pts=(-?\d+|N\/A)\|pos=(\d+|N\/A)\|flags=(\S+)/.exec(line);
      if (!match) return;
      packets++;
      const [, pts, position, flags] = match as unknown as [string, string, string, string];
      onProgress?.({ stage: "index", fraction: Number(position) / size });
      const isKey = flags.includes("K");
      if (isKey && firstKey === Number.POSITIVE_INFINITY) firstKey = Number(pts);
      if (!flags.includes("D")) ticks.add(pts, isKey);
    },
  });
  const { pts, keyPts, unique } = ticks.finish();
  const from = pts.findIndex((tick) => tick >= firstKey);
  const identifiesFrames = unique && from >= 0;
  return { packets, ticks: identifiesFrames ? { pts: pts.subarray(from), keyPts, unique } : null };
}

/** Indexes by decoding the whole video once: slow, but correct where packets and frames differ. */
export async function indexFrames(
  probe: ProbeRequest,
  stream: number,
  maxFrames: number,
  onProgress?: OnProgress,
): Promise<TickList> {
  const { size } = await stat(probe.path);
  const ticks = new TickCollector(maxFrames);
  await ffprobeLines(probe, {
    options: [
      ...["-select_streams", String(stream)],
      ...["-show_entries", "frame=key_frame,best_effort_timestamp,pkt_pos", "-of", "compact=p=0"],
    ],
    maxBytes: maxIndexBytes(maxFrames),
    onLine: (line) => {
      const isKey = /key_frame=([01])/.exec(line)?.[1];
      const position = /pkt_pos=(\d+)/.exec(line)?.[1];
      if (position) onProgress?.({ stage: "decode", fraction: Number(position) / size });
      if (isKey) ticks.add(/best_effort_timestamp=(-?\d+)/.exec(line)?.[1] ?? "N/A", isKey === "1");
    },
  });
  return ticks.finish();
}

/** At least a megabyte, so that a low `maxFrames` is reported as such. */
const maxIndexBytes = (maxFrames: number) => Math.max(2 ** 20, maxFrames * MAX_INDEX_BYTES_PER_FRAME);

/** Positions of `keyPts` in `pts`; both ascend. */
export function keyframePositions(pts: Float64Array, keyPts: Float64Array): Int32Array {
  const positions: number[] = [];
  let position = 0;
  for (const key of keyPts) {
    while (position < pts.length && (pts[position] as number) < key) position++;
    if (pts[position] === key) positions.push(position);
  }
  return Int32Array.from(positions);
}

/** Time of frame `index` in whole microseconds since the start of the container. NaN for a missing frame. */
export function timestampUs(video: VideoIndex, index: number): number {
  return Math.round(((video.pts[index] ?? Number.NaN) * video.timeBaseS - video.startS) * 1e6);
}

/** The frame shown at `ticks`; -1 when there is none. */
export function frameAt(video: VideoIndex, ticks: number): number {
  const position = firstAbove(video.pts, ticks) - 1;
  return position >= 0 && video.pts[position] === ticks ? position : -1;
}

/** The last keyframe shown at or before frame `index`; -1 when there is none: decode from the file's start. */
export function keyframeBefore(video: VideoIndex, index: number): number {
  return video.keyframes[firstAbove(video.keyframes, index) - 1] ?? -1;
}

/** The first keyframe shown at or after frame `index`; -1 when there is none. */
export function keyframeFrom(video: VideoIndex, index: number): number {
  return video.keyframes[firstAbove(video.keyframes, index - 1)] ?? -1;
}

/** Position of the first of the ascending `values` that is greater than `value`; their number when none is. */
function firstAbove(values: Float64Array | Int32Array, value: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((values[middle] as number) <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * True when an MP4 or QuickTime file ends before the data that its boxes announce: an interrupted download or copy whose
 * index, at the front, still lists every frame.
 */
export async function isCutShort(path: string): Promise<boolean> {
  const { size } = await stat(path);
  const file = await open(path, "r");
  try {
    const header = Buffer.alloc(16);
    let offset = 0;
    while (offset + 8 <= size) {
      await file.read(header, 0, 16, offset);
      const length = header.readUInt32BE(0);
      if (length === 0) return false; // the last box extends to the end of the file
      const bytes = length === 1 ? Number(header.readBigUInt64BE(8)) : length;
      if (bytes < 8) return false;
      offset += bytes;
    }
    return offset > size;
  } finally {
    await file.close();
  }
}

class TickCollector {
  #pts = new Float64Array(1024);
  #count = 0;
  #keys: number[] = [];
  #missing = false;
  readonly #maxFrames: number;

  constructor(maxFrames: number) {
    this.#maxFrames = maxFrames;
  }

  add(pts: string, isKey: boolean): void {
    if (this.#count >= this.#maxFrames) {
      throw mediaUnsupported(`The video has more than ${this.#maxFrames} frames.`);
    }
    if (this.#count === this.#pts.length) {
      const grown = new Float64Array(this.#pts.length * 2);
      grown.set(this.#pts);
      this.#pts = grown;
    }
    const tick = Number(pts);
    if (Number.isNaN(tick)) this.#missing = true;
    this.#pts[this.#count++] = tick;
    if (isKey) this.#keys.push(tick);
  }

  finish(): TickList {
    if (this.#count === 0) throw mediaUnreadable("The video has no frames.");
    const pts = this.#pts.slice(0, this.#count).sort();
    const unique = !this.#missing && pts.every((tick, i) => i === 0 || tick > (pts[i - 1] as number));
    return { pts, keyPts: Float64Array.from(this.#keys).sort(), unique };
  }
}
