/** The types of a media source. Imports no implementation, so that every reader and caller can import it. */
import type { OwnerPictures } from "../pictures/pictures.js";
import type { MediaLimits } from "./limits.js";
import type { ToolPlaces } from "./places.js";
import type { OnProgress } from "./progress.js";
import type { StillFormat } from "./sniff.js";

export interface VideoFacts {
  kind: "video";
  /**
   * Size of the picture that a player displays, upright and with square pixels: an anamorphic 720×576 video with a sample
   * aspect ratio of 16:11 is 1047×576 here, in the protocol and in its masks.
   */
  width: number;
  height: number;
  /** Exact: counted, not computed from duration and rate. */
  numFrames: number;
  /** Average frames per second. */
  fps: number;
  /** ffmpeg's name, such as "h264". */
  codec: string;
  /** Time of the file's first picture or sound, on the clock of {@link MediaSource.timeOf}. */
  startTimeUs: number;
  /** End of the last frame in seconds, on the same clock. */
  durationS: number;
  /** Clockwise rotation in the file's display matrix, already applied to `width` and `height`. */
  rotationDeg: 0 | 90 | 180 | 270;
}

interface PictureFacts {
  /** Size of the (first) picture, upright. */
  width: number;
  height: number;
  numFrames: number;
  /** Pictures have no rate and no times. */
  fps: null;
  startTimeUs: null;
  durationS: null;
  /** Format of the (first) picture. */
  codec: StillFormat;
  rotationDeg: 0 | 90 | 180 | 270;
}

/** A single picture, a video of one frame. */
export interface ImageFacts extends PictureFacts {
  kind: "image";
}

/** Several pictures, one per frame. */
export interface FramesFacts extends PictureFacts {
  kind: "frames";
  /** The files of the folder that are not frames. */
  leftOut: LeftOut;
}

/** Files that are not frames. */
export interface LeftOut {
  /** How many there are. */
  count: number;
  /** The first `FIXED_LIMITS.leftOutListed` of them, in natural order. */
  files: { name: string; reason: string }[];
}

/** A live session; the values change while it runs. */
export interface LiveFacts {
  kind: "live";
  /** Pixels; 0 before the first frame of a session without a size. */
  width: number;
  height: number;
  /** Frames so far. */
  numFrames: number;
  fps: null;
  startTimeUs: null;
  durationS: null;
  codec: "images";
  rotationDeg: 0;
}

export type MediaFacts = VideoFacts | ImageFacts | FramesFacts | LiveFacts;

export interface MediaFrame {
  index: number;
  /** See {@link MediaSource.timeOf}. */
  timestampUs: number | null;
  /**
   * `[height, width, 3]` uint8, red green blue, upright. Repeated frames of damaged videos share one buffer, so it must
   * not be written to or transferred.
   */
  rgb: Uint8Array;
  /** The picture is damaged; `rgb` is that of the nearest readable frame. */
  damaged?: true;
}

export interface FrameRange {
  /** The first frame delivered: the lowest when going forward, the highest when going backward. */
  startFrame: number;
  /** How many frames at most; there are fewer where the media ends. */
  count: number;
  direction: "forward" | "backward";
  /** Size of the pictures wanted; the aspect ratio is not kept. */
  width: number;
  height: number;
  /** A person waits for these frames: they come before those of other streams. */
  urgent?: boolean;
  /** Ends the stream at once, also while a frame is being decoded: `next()` rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** A video, a folder of pictures or a single picture, read frame by frame on demand. */
export interface MediaSource {
  readonly facts: MediaFacts;
  /**
   * Frames in order, decoded on demand. Memory is bounded for any length of the video and any speed of the consumer.
   * Several streams may run at once. Leaving the loop early releases everything.
   *
   * Throws `frame_out_of_range` for a start outside the media, `media_unreadable` with the number of the frame that
   * fails, `server_busy` when too many videos are decoded, `server_overloaded` when ffmpeg cannot be started or a file cannot
   * be opened for lack of resources.
   */
  frames(range: FrameRange): AsyncIterableIterator<MediaFrame>;
  /**
   * One frame. The last one read is kept, because clicks often follow each other on one frame; of a video also some frames
   * beside it.
   */
  frame(index: number, size: { width: number; height: number; signal?: AbortSignal }): Promise<MediaFrame>;
  /**
   * Presentation time of a frame in whole microseconds, without decoding it. Null for images and folders, which have no
   * times. Times ascend strictly with `index`; frames of videos with a variable rate keep their own times.
   *
   * Time 0 is that of a browser's `currentTime`, see {@link videoClock}. The first frame may be later, for example where
   * sound starts first, and earlier in rare files; browsers do not display frames before time 0.
   *
   * Throws `frame_out_of_range` for an index outside the media, `media_unreadable` for a frame that the header announces
   * but that the file ends before.
   */
  timeOf(index: number): number | null;
  /** The file with all frames. Absent for folders of pictures and live sessions. */
  readonly file?: MediaContent;
  /** True when the picture of this frame was damaged when it was read. The source then returns the nearest readable one. */
  isDamaged?(index: number): boolean;
  /** Ends every stream that is still running and waits for their processes. May be called again. */
  close(): Promise<void>;
}

/** The bytes of an open media file, as a reader receives them. */
export interface MediaContent {
  /** By the first bytes of the file, such as `video/mp4`. */
  contentType: string;
  /** @throws `media_unreadable` when the file has changed since it was opened. */
  check(): Promise<{
    bytes: number;
    /** Differs for every other file, and when the file changes. */
    version: string;
  }>;
  /** The bytes from position `start` on; fewer than `bytes` where the file ends. */
  read(start: number, bytes: number): Promise<Buffer>;
}

/** How the media of one request is opened. */
export type OpeningOptions = Pick<OpenMediaOptions, "signal" | "onProgress">;

export interface OpenMediaOptions {
  limits?: Partial<MediaLimits>;
  signal?: AbortSignal;
  /**
   * Real paths of the folders that must contain the file, or the folder and its pictures, once links are resolved. Without
   * this option `path` may be anywhere, and links in a folder of pictures are not followed.
   */
  mediaRoots?: readonly string[];
  /** Limits the processes of the source. Default: no limit. */
  places?: ToolPlaces;
  /** Decodes pictures. By default with processes that all callers of this program share. */
  pictures?: OwnerPictures;
  /** Called at most twice a second while a video that takes more than half a second is opened. */
  onProgress?: OnProgress;
}
