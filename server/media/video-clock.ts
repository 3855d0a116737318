import type { Demuxer } from "./sniff.js";

/** Browsers play these containers, and count `currentTime` on the container's own clock. */
const BROWSER_CONTAINERS = new Set<Demuxer>(["mov", "matroska"]);

export interface VideoClock {
  /** Time 0 of the video, in seconds on the clock of the packets. */
  originS: number;
  /** Start of the file in seconds from {@link originS}: its first picture or sound. */
  startS: number;
}

/**
 * Where the times of a video begin.
 *
 * Containers that browsers play keep their own clock, as Chromium does: a file whose first picture has the time
 * 20 s starts at 20 s. The others, such as recordings of a broadcast, have an arbitrary clock. They start at 0, as in
 * desktop players and after a conversion to MP4.
 *
 * Sound before time 0 is the priming of its encoder, which no player plays. It moves nothing.
 *
 * @param firstFrameS time of the first frame on the clock of the packets
 * @param containerStartS ffprobe's `format.start_time`, which includes priming
 */
export function videoClock(
  demuxer: Demuxer,
  firstFrameS: number,
  containerStartS: number | undefined,
): VideoClock {
  const startS = Math.min(firstFrameS, Math.max(0, containerStartS ?? firstFrameS));
  return BROWSER_CONTAINERS.has(demuxer) ? { originS: 0, startS } : { originS: startS, startS: 0 };
}
