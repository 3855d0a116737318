/** The frames of a video in presentation order, and where decoding can start. */
export interface VideoIndex {
  /** Presentation time of each frame in ticks of `timeBaseS`, strictly ascending. */
  pts: Float64Array;
  timeBaseS: number;
  /** Start of the container on the clock of `pts`; the origin of {@link timestampUs}. */
  startS: number;
  /** Positions in `pts` from which decoding can start, ascending. If empty, only from the file's start. */
  keyframes: Int32Array;
  /**
   * How the pictures of a decoder are identified. `time`: each has the time of its frame. `order`: times are missing, occur
   * twice, or change with every seek. The first keyframe that a decoder yields is then the one it was started at, and the
   * pictures after it follow in order.
   */
  identity: "time" | "order";
  /** With `order`: the time to seek to for each of `keyframes`, in ticks. */
  seekTicks?: Float64Array;
  /** With `order`: how many damaged pictures a decoder yields before frame 0 from the file's start. */
  picturesBefore?: number;
}

/** Time of frame `index` in whole microseconds since the start of the container. NaN for a missing frame. */
export function timestampUs(video: VideoIndex, index: number): number {
  return Math.round(((video.pts[index] ?? Number.NaN) * video.timeBaseS - video.startS) * 1e6);
}

/** The frame shown at `ticks`; -1 when there is none. */
export function frameAt(video: Pick<VideoIndex, "pts">, ticks: number): number {
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
