import type { VideoFacts } from "../protocol/index.js";
import type { MediaFacts } from "./media/source.js";

/** The facts of a media file as fields of `start_session`'s answer and of an upload's. */
export function mediaFields(facts: MediaFacts): Omit<VideoFacts, "session_id"> {
  const { kind, width, height, numFrames, fps, startTimeUs, durationS } = facts;
  return {
    ...{ kind, width, height, num_frames: numFrames, fps, start_time_us: startTimeUs, duration_s: durationS },
    ...("leftOut" in facts && { left_out: facts.leftOut.files, left_out_count: facts.leftOut.count }),
  };
}
