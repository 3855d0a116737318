/** Live sessions: frames that a client pushes while they are recorded, or that the server reads from a camera. */
import { z } from "zod";
import { probability, requestId, sessionId, wellFormedText } from "../fields.js";
import { FIELD_LIMITS } from "../limits.js";

/** Fields of `start_session` for live sessions. */
export const liveFields = {
  live: z
    .boolean()
    .exactOptional()
    .describe("True: a [live session](#live-sessions). Its frames come with `push_frame`"),
  camera_url: wellFormedText(FIELD_LIMITS.pathLength.value)
    .min(1)
    .exactOptional()
    .describe(
      "A [live session](#live-sessions) whose frames the server reads from a camera: `rtsp://` or `http(s)://`",
    ),
  drop: z
    .enum(["none", "oldest"])
    .exactOptional()
    .describe(
      "Live sessions: what happens when frames arrive faster than they are tracked. `none` (default): the server reads more slowly. `oldest`: the oldest frame that waits is dropped",
    ),
  width: z
    .int()
    .min(1)
    .exactOptional()
    .describe("Live sessions: the size of every frame in pixels; default: that of the first frame"),
  height: z.int().min(1).exactOptional().describe("With `width`"),
};

export interface LiveProblem {
  path: string[];
  message: string;
  missing: boolean;
}

interface StartFields {
  resource_path?: string;
  upload_id?: string;
  live?: boolean;
  camera_url?: string;
  drop?: string;
  width?: number;
  height?: number;
}

/** The first contradiction between the sources of a `start_session`. */
export function sourceProblem(request: StartFields): LiveProblem | undefined {
  const { resource_path, upload_id, live, camera_url, drop, width, height } = request;
  const sources = Object.entries({ resource_path, upload_id, live: live || undefined, camera_url }).flatMap(
    ([name, value]) => (value === undefined ? [] : [name]),
  );
  const wrong = (field: string, message: string) => ({ path: [field], message, missing: false });
  // A camera is live in any case.
  const counted = camera_url === undefined ? sources : sources.filter((name) => name !== "live");
  if (counted.length === 0) {
    const message = "missing: expected a resource_path, an upload_id, live or a camera_url";
    return { path: ["resource_path"], message, missing: true };
  }
  if (counted.length > 1) {
    const last = counted.at(-1) as string;
    return wrong(
      last,
      `expected one of resource_path, upload_id, live and camera_url, got ${counted.join(" and ")}`,
    );
  }
  const isLive = live === true || camera_url !== undefined;
  for (const [field, value] of Object.entries({ drop, width, height })) {
    if (value !== undefined && !isLive)
      return wrong(field, `expected only with live or camera_url, got ${JSON.stringify(value)}`);
  }
  if (camera_url !== undefined && drop === "none")
    return wrong("drop", 'expected "oldest" for a camera, which does not wait, got "none"');
  if ((width === undefined) !== (height === undefined)) {
    const missing = width === undefined ? "width" : "height";
    return { path: [missing], message: "missing: expected width and height together", missing: true };
  }
  return undefined;
}

/**
 * The header of a binary message that pushes one frame; the payload is a JPEG, PNG or WebP picture. It is answered by exactly one
 * `frame`, `frame_dropped` or `error` with its `request_id`.
 */
export const pushFrameSchema = z.strictObject({
  type: z.literal("push_frame"),
  request_id: requestId,
  session_id: sessionId,
  timestamp_us: z
    .int()
    .min(0)
    .exactOptional()
    .describe("Time of the frame in microseconds; default: the time since the first frame arrived"),
  output_prob_thresh: probability.default(0.5).describe("Omit objects below this probability"),
});

export type PushFrameMessage = z.output<typeof pushFrameSchema>;
export type PushFrameInput = z.input<typeof pushFrameSchema>;
