/** The types of a probed video. */
import type { MediaFile } from "./media-file.js";
import type { Orientation } from "./orientation.js";
import type { Demuxer } from "./sniff.js";
import type { VideoFacts } from "./source.js";
import type { VideoIndex } from "./video-index.js";

/** What decoding needs to find the stream and to turn its pictures upright. */
export interface EncodedVideo {
  file: MediaFile;
  demuxer: Demuxer;
  /** Position of the video stream in the file. */
  stream: number;
  /** Pixels of a picture beyond which decoding ends with an error: the size can change inside a video. */
  maxPicturePixels: number;
  orientation: Orientation;
  /** See `assumedMatrix`. */
  matrix: "bt709" | null;
}

export interface ProbedVideo extends EncodedVideo {
  facts: VideoFacts;
  index: VideoIndex;
}

/** What the index depends on, of a stream as ffprobe describes it. */
export interface IndexedStream {
  index: number;
  codec_name?: string | undefined;
  time_base: string;
  avg_frame_rate?: string | undefined;
  r_frame_rate?: string | undefined;
  nb_frames?: string | undefined;
}
