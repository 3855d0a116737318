/** Decides who decodes the pictures of a session: the browser where it counts the frames of the server, else the server. */
import type { VideoFacts } from "../../typescript/index.js";
import { fetchFromServer, serverUrl } from "../connection/http.js";
import type { FrameSource } from "./frame-source.js";
import { createJpegSource } from "./jpeg-source.js";
import { openWebCodecs, UnusableVideo } from "./webcodecs-source.js";

/** The time of every frame in microseconds; frame numbers for pictures without times. */
export async function fetchFrameTimes({ session_id, num_frames }: VideoFacts): Promise<Float64Array> {
  const response = await fetchFromServer(`v1/sessions/${encodeURIComponent(session_id)}/frame-times`);
  const answer = (await response.json()) as { timestamps_us: (number | null)[] | null };
  const timestamps_us = answer.timestamps_us ?? Array.from({ length: num_frames }, () => null);
  if (timestamps_us.length !== num_frames) {
    throw new Error(`expected the times of ${num_frames} frames, got ${timestamps_us.length}`);
  }
  return Float64Array.from(timestamps_us, (time, frame) => time ?? frame * PICTURE_US);
}

/** Pictures without times are played at 10 frames per second. */
const PICTURE_US = 100_000;

/** @param file the same bytes as on the server, when this page sent them */
export async function chooseSource(
  facts: VideoFacts,
  frameTimesUs: Float64Array,
  file?: Blob,
): Promise<FrameSource> {
  const { session_id: sessionId, num_frames: numFrames, kind, width, height } = facts;
  const jpeg = (reason: string) => createJpegSource({ sessionId, numFrames, reason });
  if (kind !== "video") return jpeg("the frames are pictures");
  const media = file ?? serverUrl(`v1/sessions/${encodeURIComponent(sessionId)}/media`);
  try {
    return await openWebCodecs({ media, frameTimesUs, width, height });
  } catch (error) {
    if (error instanceof UnusableVideo) return jpeg(error.message);
    throw error;
  }
}
