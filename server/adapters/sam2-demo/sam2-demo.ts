/**
 * The server of Meta's SAM 2 demo page, at `/sam2-demo`: GraphQL for sessions and clicks, a multipart stream for propagations, and
 * the videos that the page plays.
 */
import type { Context } from "hono";
import { z } from "zod";
import { ProtocolError, parseFields } from "../../../protocol/index.js";
import { toProtocolError } from "../../failure.js";
import { type App, type AppEnvironment, ownerOf } from "../../http/context.js";
import { type HttpError, headersOf, sendError, statusOf } from "../../http/errors.js";
import { answerWithFile } from "../../http/file-answer.js";
import { leavingSignal, pulledBody } from "../../http/reader.js";
import type { ViewedMedia } from "../../view-media.js";
import type { Adapter, AdapterParts } from "../adapter.js";
import { handled, limitBody, parseJson } from "../routes.js";
import { openToPages } from "./cross-origin.js";
import { failed, type GraphqlRequest, readFormOperation, requestSchema, runOperation } from "./operations.js";
import { STREAM_TYPE, streamPropagation } from "./propagation-stream.js";
import { createResolvers, type Operation, ReceivedFile } from "./resolvers.js";
import { createSessionStates } from "./session-states.js";
import { createGallery, mediaNameOf, videoOfPoster } from "./videos.js";

const PREFIX = "/sam2-demo";
/** Of the bodies without a file. */
const MAX_BODY_BYTES = 256 * 1024;
const POSTER_WIDTH = 480;

const propagateSchema = z.looseObject({
  session_id: z.string().min(1),
  start_frame_index: z.int().min(0).default(0),
});

/** A failure in the form of GraphQL, whose reader ignores the status. */
const failGraphql = (context: Context<AppEnvironment>, { message, ...extensions }: HttpError): Response =>
  context.json(failed(message, extensions), statusOf(extensions.code), headersOf({ message, ...extensions }));

const isForm = (contentType = "") => /^multipart\/form-data\b/i.test(contentType);

export function createSam2Demo({ predictor, log }: AdapterParts): Adapter {
  const { uploads } = predictor;
  const states = createSessionStates(predictor.sessions);
  const resolvers = createResolvers(predictor, states, createGallery(predictor));

  const operationOf = (context: Context<AppEnvironment>): Operation => {
    const owner = ownerOf(context);
    const base = new URL(context.req.url).origin + PREFIX;
    const signal = leavingSignal(context.env.outgoing);
    return { client: predictor.connect({ owner }), owner, base, signal };
  };

  const run = (request: GraphqlRequest, operation: Operation) =>
    runOperation(request, operation, resolvers, log);

  async function answerJson(context: Context<AppEnvironment>): Promise<Response> {
    const request = parseFields(requestSchema, parseJson(await context.req.text()));
    return context.json(await run(request, operationOf(context)));
  }

  /** A file is written to disk as it arrives, before its operation is read to the end. */
  async function answerForm(context: Context<AppEnvironment>): Promise<Response> {
    const refusal = predictor.refusal();
    if (refusal) throw refusal;
    const operation = operationOf(context);
    const { owner, signal } = operation;
    const { headers } = context.env.incoming;
    const fields = new Map<string, string>();
    // A request that is destroyed takes its socket with it, and the answer could not be sent.
    const { uploadId, facts } = await uploads.receive(
      context.env.incoming.iterator({ destroyOnReturn: false }),
      {
        ...{ owner, signal, contentType: headers["content-type"] as string },
        contentLength: Number(headers["content-length"] ?? 0),
        onField: (name, value) => void (["operations", "map"].includes(name) && fields.set(name, value)),
      },
    );
    const file = new ReceivedFile(uploadId, facts);
    try {
      return context.json(await run(readFormOperation(fields, file), operation));
    } finally {
      if (!file.isTaken || signal.aborted) await uploads.remove(uploadId, owner);
    }
  }

  async function propagateInVideo(context: Context<AppEnvironment>): Promise<Response> {
    const { session_id, start_frame_index } = parseFields(
      propagateSchema,
      parseJson(await context.req.text()),
    );
    const owner = ownerOf(context);
    const state = states.get(owner, session_id);
    const parts = streamPropagation(predictor.connect({ owner }), state, start_frame_index);
    const body = await pulledBody(parts, (error) => toProtocolError(error, log));
    state.propagation = parts;
    return context.body(body, 200, { "content-type": STREAM_TYPE, "x-accel-buffering": "no" });
  }

  const view = (context: Context<AppEnvironment>, path: string, signal: AbortSignal): Promise<ViewedMedia> =>
    predictor.viewMedia(mediaNameOf(path), { owner: ownerOf(context), signal });

  /** @throws ProtocolError invalid_field */
  function pathOf(context: Context<AppEnvironment>): string {
    const written = new URL(context.req.url).pathname.slice(PREFIX.length + 1);
    try {
      return decodeURIComponent(written);
    } catch {
      const message = `path: expected percent-encoded UTF-8, got ${JSON.stringify(written.slice(0, 200))}`;
      throw new ProtocolError("invalid_field", message, "path");
    }
  }

  async function sendVideo(context: Context<AppEnvironment>): Promise<Response> {
    const media = await view(context, pathOf(context), leavingSignal(context.env.outgoing));
    const { file, facts } = media;
    try {
      if (file && facts.kind === "video")
        return await answerWithFile(context, file, log, { onEnd: () => media.close() });
    } catch (error) {
      await media.close();
      throw error;
    }
    await media.close();
    throw new ProtocolError("media_unsupported", `Expected a video, got media of the kind ${facts.kind}.`);
  }

  async function sendPoster(context: Context<AppEnvironment>): Promise<Response> {
    const signal = leavingSignal(context.env.outgoing);
    const path = videoOfPoster(pathOf(context).replace(/^posters\//, ""));
    const media = await view(context, path, signal);
    try {
      const jpeg = await media.picture(0, { maxWidth: POSTER_WIDTH, signal });
      return context.body(jpeg as Uint8Array<ArrayBuffer>, 200, { "content-type": "image/jpeg" });
    } finally {
      await media.close();
    }
  }

  return {
    prefixes: [PREFIX],
    around: openToPages(`${PREFIX}/graphql`),
    add(app: App) {
      const inGraphql = handled(log, failGraphql);
      const inHttp = handled(log, sendError);
      const limited = limitBody(MAX_BODY_BYTES, failGraphql);
      app.post(
        `${PREFIX}/graphql`,
        (context, next) => (isForm(context.req.header("content-type")) ? next() : limited(context, next)),
        inGraphql((context) =>
          isForm(context.req.header("content-type")) ? answerForm(context) : answerJson(context),
        ),
      );
      const small = limitBody(MAX_BODY_BYTES, sendError);
      app.post(`${PREFIX}/propagate_in_video`, small, inHttp(propagateInVideo));
      app.get(`${PREFIX}/gallery/*`, inHttp(sendVideo));
      app.get(`${PREFIX}/uploads/*`, inHttp(sendVideo));
      app.get(`${PREFIX}/posters/*`, inHttp(sendPoster));
    },
  };
}
