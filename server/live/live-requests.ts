/** The requests that live sessions answer in their own way: frames that are pushed, and the frames of a camera. */
import {
  type Outputs,
  ProtocolError,
  type PushFrameMessage,
  type StreamRequest,
} from "../../protocol/index.js";
import type { OutputsWriter } from "../outputs.js";
import type { TrackedFrame } from "../propagation.js";
import type { LiveSource } from "./open-live.js";

export type PushAnswer =
  | { type: "frame"; frame_index: number; timestamp_us: number; outputs: Outputs }
  | { type: "frame_dropped"; frame_index: number };

/** What a pushed frame needs of its session. */
export interface PushTarget {
  live: LiveSource | undefined;
  /** Resolves when the requests made so far are answered. */
  settled(): Promise<void>;
  /** Writes masks in the format of the session. */
  outputs: OutputsWriter;
}

/**
 * Tracks one pushed frame.
 * @throws ProtocolError wrong_session_kind, or what is wrong with the picture
 */
export async function pushFrame(
  { live, settled, outputs }: PushTarget,
  { timestamp_us, output_prob_thresh }: PushFrameMessage,
  picture: Uint8Array,
): Promise<PushAnswer> {
  if (!live || live.camera) {
    const kind = live ? "reads the frames of a camera" : "is not live";
    throw new ProtocolError("wrong_session_kind", `push_frame: this session ${kind}.`);
  }
  if (picture.length === 0) {
    throw new ProtocolError(
      "media_unreadable",
      "push_frame: expected a picture after the header, got 0 bytes.",
    );
  }
  const result = await live.feed.push(picture, timestamp_us, settled());
  const { frameIndex } = result;
  if (result.kind === "dropped") return { type: "frame_dropped", frame_index: frameIndex };
  return {
    type: "frame",
    frame_index: frameIndex,
    timestamp_us: result.timestampUs,
    outputs: await outputs.write(result.output, { output_prob_thresh }),
  };
}

/**
 * The frames of a camera from now on, until the signal is aborted or `max_frame_num_to_track` more than one are tracked.
 * @throws ProtocolError wrong_session_kind when clients push the frames, invalid_field, media_unreadable when the camera ends
 */
export async function* cameraFrames(
  { camera }: LiveSource,
  { propagation_direction, start_frame_index, max_frame_num_to_track, scope }: StreamRequest,
  signal: AbortSignal,
  settled: () => Promise<void>,
): AsyncGenerator<TrackedFrame, void, undefined> {
  if (!camera) {
    throw new ProtocolError(
      "wrong_session_kind",
      "propagate_in_video: the frames of this live session come with push_frame, and each is answered with its masks.",
    );
  }
  if (propagation_direction === "backward" || start_frame_index !== undefined) {
    const field = start_frame_index === undefined ? "propagation_direction" : "start_frame_index";
    throw new ProtocolError(
      "invalid_field",
      `${field}: a camera is followed forward, from its newest frame.`,
      field,
    );
  }
  if (scope !== "all") {
    throw new ProtocolError(
      "invalid_field",
      `scope: expected "all", got "${scope}"; a live session stores no results.`,
      "scope",
    );
  }
  let left = max_frame_num_to_track ?? Number.POSITIVE_INFINITY;
  for await (const { output, timestampUs } of camera.frames(signal, settled)) {
    yield { output, timestampUs, mode: "full", objectIds: null };
    if (--left < 0) return;
  }
}

/**
 * The index of a frame that a request names.
 * @throws ProtocolError wrong_session_kind for `latest` in other sessions, frame_out_of_range before the first usable frame
 */
export function indexOf(frame: number | "latest", live: LiveSource | undefined): number {
  if (frame !== "latest") return frame;
  const field = "frame_index";
  if (!live) {
    throw new ProtocolError(
      "wrong_session_kind",
      `${field}: expected the index of a frame, got "latest"; only live sessions have a latest frame.`,
      field,
    );
  }
  const latest = live.latest();
  if (latest !== undefined) return latest;
  throw new ProtocolError("frame_out_of_range", `${field}: no frame has arrived yet, got "latest"`, field);
}
