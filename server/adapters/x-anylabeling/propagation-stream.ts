/** The events of a propagation, as X-AnyLabeling reads them. */
import type { Client } from "../../predictor.js";
import type { Convert } from "../conversion-thread.js";
import type { Conversions } from "./conversions.js";
import type { VideoState } from "./session-states.js";
import { outlinedObjects } from "./shapes.js";
import { computeStretch, type Stretch, storedStretch } from "./video.js";

/** Of the last event, which can be long. */
const PART_BYTES = 64 * 1024;

type StreamEvent =
  | { type: "started"; total_frames: number; start_frame_index: number }
  | { type: "progress"; current_frame: number; total_frames: number; progress: number }
  | { type: "error"; message: string };

const encoder = new TextEncoder();
const write = (event: StreamEvent) => encoder.encode(`data: ${JSON.stringify(event)}\n\n`);

export interface StreamedPropagation {
  client: Client;
  sessionId: string;
  state: VideoState;
  stretch: Stretch;
  numFrames: number;
  convert: Convert<Conversions>;
  /** The sentence for a failure after the first event. */
  describeError(error: unknown): string;
}

/**
 * The masks of all frames are in the last event, which is written from the stored results: nothing is collected in memory. An
 * error before the first frame is thrown; a later one is an event. Leaving the loop cancels the propagation.
 */
export async function* streamPropagation(
  parts: StreamedPropagation,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { client, sessionId, state, stretch, numFrames, describeError } = parts;
  const frames = computeStretch(client, sessionId, state, stretch);
  const total = stretch.last - stretch.first + 1;
  try {
    let next = await frames.next();
    yield write({ type: "started", total_frames: numFrames, start_frame_index: stretch.first });
    try {
      for (; !next.done; next = await frames.next()) {
        const progress = (next.value - stretch.first + 1) / total;
        yield write({ type: "progress", current_frame: next.value, total_frames: numFrames, progress });
      }
      yield* completed(parts);
    } catch (error) {
      yield write({ type: "error", message: describeError(error) });
    }
  } finally {
    await frames.return();
  }
}

async function* completed({ client, sessionId, state, stretch, convert }: StreamedPropagation) {
  let part = 'data: {"type":"completed","results":{';
  let separator = "";
  for await (const { frame_index, outputs } of storedStretch(client, sessionId, state, stretch)) {
    const masks = (await convert("shapes", outlinedObjects(outputs), state.epsilonFactor)).flat();
    part += `${separator}"${frame_index}":${JSON.stringify({ frame_index, masks })}`;
    separator = ",";
    if (part.length < PART_BYTES) continue;
    yield encoder.encode(part);
    part = "";
  }
  yield encoder.encode(`${part}}}\n\n`);
}
