/** The answer to `POST /propagate_in_video`: a part for each frame, of the type `multipart/x-savi-stream`. */
import type { Client } from "../../predictor.js";
import { propagate } from "../requests.js";
import { masksOf } from "./masks.js";
import type { DemoState } from "./session-states.js";

export const STREAM_TYPE = "multipart/x-savi-stream; boundary=frame";

const encoder = new TextEncoder();

/**
 * The frames from `startFrame` to the end of the video, then those before it. A part begins with its boundary and ends with its
 * last byte: the page takes anything after the last part for a part that was cut short. Leaving the loop cancels the
 * propagation.
 */
export async function* streamPropagation(
  client: Client,
  state: DemoState,
  startFrame: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const frames = propagate(client, {
    session_id: state.sessionId,
    propagation_direction: "both",
    start_frame_index: startFrame,
    mask_format: "rle",
  });
  for await (const { frame_index, outputs } of frames) {
    const results = masksOf(state, outputs).map(({ objectId, mask }) => ({ object_id: objectId, mask }));
    yield writePart({ frame_index, results });
  }
}

function writePart(content: object): Uint8Array {
  const body = encoder.encode(JSON.stringify(content));
  const head = [
    "--frame",
    "Content-Type: application/json; charset=utf-8",
    "Frame-Current: -1",
    "Frame-Total: -1",
    "Mask-Type: RLE[]",
    `Content-Length: ${body.length}`,
  ];
  return Buffer.concat([encoder.encode(`${head.join("\r\n")}\r\n\r\n`), body]);
}
