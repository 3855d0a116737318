/**
 * The remote server of X-AnyLabeling 4.2, at `/x-anylabeling`. The window sends every frame of a folder as JSON, prompts one
 * session by phrases or clicks, and reads a propagation as server-sent events.
 */
import { createHash } from "node:crypto";
import type { Context } from "hono";
import { parseFields } from "../../../protocol/index.js";
import { toProtocolError } from "../../failure.js";
import { type App, type AppEnvironment, ownerOf } from "../../http/context.js";
import { leavingSignal, pulledBody } from "../../http/reader.js";
import type { Adapter, AdapterParts } from "../adapter.js";
import { createConversions } from "../conversion-thread.js";
import { ask, endIfSenderLeaves } from "../requests.js";
import { type Answerer, handled, limitBody, parseJson } from "../routes.js";
import { fail, reasons, succeed } from "./answers.js";
import type { Conversions } from "./conversions.js";
import { MODELS } from "./models.js";
import { createPicturePredictor } from "./picture.js";
import { streamPropagation } from "./propagation-stream.js";
import { receivePictures } from "./receive.js";
import { initSchema, predictSchema, promptSchema, propagateSchema } from "./schemas.js";
import { createSessionStates } from "./session-states.js";
import { promptVideo, stretchOf } from "./video.js";

const PREFIX = "/x-anylabeling";

/** Of the bodies without pictures. */
const MAX_BODY_BYTES = 1024 * 1024;

export function createXAnyLabeling({ predictor, log }: AdapterParts): Adapter {
  const { sessions, uploads } = predictor;
  const states = createSessionStates(sessions);
  const convert = createConversions<Conversions>("./conversions-main", import.meta.url);
  const pictures = createPicturePredictor({ predictor, states, convert });

  function receiving(context: Context<AppEnvironment>) {
    const refusal = predictor.refusal();
    if (refusal) throw refusal;
    const { incoming, outgoing } = context.env;
    const leaving = leavingSignal(outgoing);
    const owner = ownerOf(context);
    const contentLength = Number(incoming.headers["content-length"] ?? 0);
    // A request that is destroyed takes its socket with it, and the answer could not be sent.
    const body = incoming.iterator({ destroyOnReturn: false });
    return { uploads, owner, body, contentLength, signal: leaving };
  }

  const connect = (context: Context<AppEnvironment>) => predictor.connect({ owner: ownerOf(context) });

  const readJson = async (context: Context<AppEnvironment>) => parseJson(await context.req.text());

  async function init(context: Context<AppEnvironment>): Promise<Response> {
    const { signal, ...parts } = receiving(context);
    const { owner } = parts;
    const received = await receivePictures({
      ...{ ...parts, signal, schema: initSchema },
      picturesOf: ({ frames }) => frames,
      field: "frames",
    });
    const { fields, uploadId } = received;
    try {
      const client = connect(context);
      const request = { type: "start_session", upload_id: uploadId } as const;
      const { started, hosted } = await states.startVideo(owner, () => ask(client, request, signal));
      const { session_id, num_frames } = started;
      endIfSenderLeaves(client, session_id, signal);
      states.add(hosted, {
        kind: "video",
        ...{ epsilonFactor: 0.001, confidence: 0.25, clicks: new Map(), prompted: new Set() },
      });
      return succeed(context, { session_id, num_frames, start_frame_index: fields.start_frame_index });
    } finally {
      // The session keeps the files until it ends.
      await uploads.remove(uploadId, owner);
    }
  }

  async function prompt(context: Context<AppEnvironment>): Promise<Response> {
    const request = parseFields(promptSchema, await readJson(context));
    const state = states.video(ownerOf(context), request.session_id);
    const masks = await promptVideo(connect(context), state, request, convert);
    const num_objects = new Set(masks.map(({ group_id }) => group_id)).size;
    return succeed(context, { frame_index: request.frame_index, masks, num_objects });
  }

  async function propagateStream(context: Context<AppEnvironment>): Promise<Response> {
    const request = parseFields(propagateSchema, await readJson(context));
    const { session_id: sessionId } = request;
    const state = states.video(ownerOf(context), sessionId);
    const client = connect(context);
    const { num_frames: numFrames } = await ask(client, { type: "get_session", session_id: sessionId });
    const stretch = stretchOf(request, numFrames);
    const describeError = (error: unknown) => toProtocolError(error, log).message;
    const events = streamPropagation({
      ...{ client, sessionId, state, stretch, numFrames, convert, describeError },
    });
    const body = await pulledBody(events, (error) => toProtocolError(error, log));
    return context.body(body, 200, { "content-type": "text/event-stream", "x-accel-buffering": "no" });
  }

  async function cleanup(context: Context<AppEnvironment>): Promise<Response> {
    await ask(connect(context), { type: "close_session", session_id: context.req.param("id") ?? "" });
    return succeed(context, { message: "The session is closed." });
  }

  async function predictPicture(context: Context<AppEnvironment>): Promise<Response> {
    const { signal, ...parts } = receiving(context);
    const hash = createHash("sha256");
    const { fields, uploadId } = await receivePictures({
      ...{ ...parts, signal, schema: predictSchema },
      picturesOf: ({ image }) => [image],
      field: "image",
      onBytes: (bytes) => hash.update(bytes),
    });
    const picture = { uploadId, hash: hash.digest("hex") };
    const answer = await pictures.predict(connect(context), parts.owner, picture, fields.params, signal);
    return succeed(context, { ...answer, description: "" });
  }

  return {
    prefixes: [PREFIX],
    keyHeader: "token",
    around: reasons,
    add(app: App) {
      const limit = limitBody(MAX_BODY_BYTES, fail);
      const answer = (answerer: Answerer, uploaded = "") =>
        handled(log, fail, { text: "text_prompt", upload_id: uploaded })(answerer);
      app.get(`${PREFIX}/health`, (context) => context.json({ status: "healthy" }));
      app.get(`${PREFIX}/v1/models`, (context) => succeed(context, MODELS));
      app.post(`${PREFIX}/v1/predict`, answer(predictPicture, "image"));
      app.post(`${PREFIX}/v1/video/init`, answer(init, "frames"));
      app.post(`${PREFIX}/v1/video/prompt`, limit, answer(prompt));
      app.post(`${PREFIX}/v1/video/propagate/stream`, limit, answer(propagateStream));
      app.post(`${PREFIX}/v1/video/cleanup/:id`, answer(cleanup));
    },
  };
}
