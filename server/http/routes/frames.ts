/** `GET /v1/sessions/ID/frame-times`, `/frames/N.jpeg` and `/frames`: the frames of a session for people. */
import {
  FIXED_LIMITS,
  framePictureQuerySchema,
  framePicturesQuerySchema,
  ProtocolError,
  parseQuery,
  SESSIONS_PATH,
} from "../../../protocol/index.js";
import { toProtocolError } from "../../failure.js";
import type { FramePicture } from "../../frame-pictures.js";
import type { Logger } from "../../log.js";
import type { Predictor } from "../../predictor.js";
import type { Session } from "../../session.js";
import type { App } from "../context.js";
import { sendError } from "../errors.js";
import { leavingSignal, pulledBody } from "../reader.js";
import { allowOnly } from "./method-not-allowed.js";
import { checkFrame, checkStretch, sessionOf } from "./reach.js";

/** Times in one part of an answer: a long video must not occupy the thread that serves the sockets. */
const TIMES_PER_PART = 20_000;

export function addFrameRoutes(app: App, predictor: Predictor, log: Logger): void {
  const times = `${SESSIONS_PATH}/:id/frame-times`;
  app.get(times, async (context) => {
    const { session } = await sessionOf(context, predictor);
    const body = await pulledBody(writeTimes(session), (error) => toProtocolError(error, log));
    return context.body(body, 200, { "content-type": "application/json" });
  });
  app.all(times, allowOnly("GET"));

  const one = `${SESSIONS_PATH}/:id/frames/:name`;
  app.get(one, async (context) => {
    const index = /^(.*)\.jpeg$/.exec(context.req.param("name"))?.[1];
    if (index === undefined) {
      const message = "Pictures of frames are at /frames/N.jpeg.";
      return sendError(context, { code: "not_found", message, retryable: false });
    }
    const { width } = parseQuery(framePictureQuerySchema, context.req.query());
    const { session } = await sessionOf(context, predictor);
    const first = frameOf(index);
    checkFrame("frame_index", first, session);
    const signal = leavingSignal(context.env.outgoing);
    const range = { first, last: first, urgent: true, signal, ...(width && { maxWidth: width }) };
    for await (const { jpeg } of session.pictures(range))
      return context.body(jpeg as Uint8Array<ArrayBuffer>, 200, { "content-type": "image/jpeg" });
    throw new Error(`no picture of frame ${first}`);
  });
  app.all(one, allowOnly("GET"));

  const many = `${SESSIONS_PATH}/:id/frames`;
  app.get(many, async (context) => {
    const { first, last, width } = parseQuery(framePicturesQuerySchema, context.req.query());
    const { hosted, session } = await sessionOf(context, predictor);
    checkStretch({ first, last }, session);
    const { value: most } = FIXED_LIMITS.picturesPerRequest;
    if (last - first >= most) {
      const message = `last: expected at most ${most} frames, got ${last - first + 1}`;
      throw new ProtocolError("invalid_field", message, "last");
    }
    const signal = leavingSignal(context.env.outgoing);
    const pictures = session.pictures({ first, last, signal, ...(width && { maxWidth: width }) });
    const body = await pulledBody(withHeaders(pictures, hosted.touch), (error) =>
      toProtocolError(error, log),
    );
    return context.body(body, 200, { "content-type": "application/octet-stream" });
  });
  app.all(many, allowOnly("GET"));
}

function frameOf(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  const seen = JSON.stringify(text.slice(0, 60));
  const message = `frame_index: expected an integer from 0, got ${seen}`;
  throw new ProtocolError("invalid_field", message, "frame_index");
}

/** Pictures and folders of pictures have no times. */
async function* writeTimes({ facts, media }: Session): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  const { num_frames: count, kind } = facts;
  if (kind === "image" || kind === "frames") {
    yield encoder.encode(JSON.stringify({ num_frames: count, timestamps_us: null }));
    return;
  }
  yield encoder.encode(`{"num_frames":${count},"timestamps_us":[`);
  for (let first = 0; first < count; first += TIMES_PER_PART) {
    const length = Math.min(TIMES_PER_PART, count - first);
    const times = Array.from({ length }, (_, at) => String(timeOf(media, first + at)));
    yield encoder.encode(`${first > 0 ? "," : ""}${times.join(",")}`);
  }
  yield encoder.encode("]}");
}

/** Null for a frame of a live session that is no longer kept, and for one that the file ends before. */
function timeOf(media: Session["media"], index: number): number | null {
  try {
    return media.timeOf(index);
  } catch (error) {
    if (error instanceof ProtocolError) return null;
    throw error;
  }
}

/** Each picture after its frame index and its length in bytes, both 32 bits, little-endian. */
async function* withHeaders(
  pictures: AsyncGenerator<FramePicture>,
  onPicture: () => void,
): AsyncGenerator<Uint8Array> {
  for await (const { index, jpeg } of pictures) {
    const part = new Uint8Array(8 + jpeg.length);
    const view = new DataView(part.buffer);
    view.setUint32(0, index, true);
    view.setUint32(4, jpeg.length, true);
    part.set(jpeg, 8);
    onPicture();
    yield part;
  }
}
