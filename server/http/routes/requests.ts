/**
 * `POST /v1/handle_request` and `POST /v1/handle_stream_request`: the requests of the WebSocket for clients without one. They
 * reach all sessions of their owner.
 */
import type { Context } from "hono";
import { bodyLimit } from "hono/body-limit";
import {
  encodeText,
  ProtocolError,
  parseRequest,
  REQUEST_PATH,
  type Request,
  STREAM_REQUEST_PATH,
} from "../../../protocol/index.js";
import { clientLeft, toProtocolError } from "../../failure.js";
import type { Logger } from "../../log.js";
import type { Metrics } from "../../metrics.js";
import type { Client, Predictor } from "../../predictor.js";
import { type App, type AppEnvironment, ownerOf } from "../context.js";
import { sendError } from "../errors.js";
import { allowOnly } from "./method-not-allowed.js";

export interface RequestRouteParts {
  predictor: Predictor;
  maxMessageBytes: number;
  metrics: Metrics;
  log: Logger;
}

type Stream = ReturnType<Client["stream"]>;

/** How one message of a stream is written. */
interface Framing {
  contentType: string;
  write(message: { type: string }): string;
}

const NDJSON: Framing = {
  contentType: "application/x-ndjson",
  write: (message) => `${encodeText(message)}\n`,
};

const SERVER_SENT_EVENTS: Framing = {
  contentType: "text/event-stream",
  write: (message) => `event: ${message.type}\ndata: ${encodeText(message)}\n\n`,
};

export function addRequestRoutes(app: App, parts: RequestRouteParts): void {
  const { predictor, maxMessageBytes, metrics, log } = parts;
  const limit = bodyLimit({
    maxSize: maxMessageBytes,
    onError: (context) => {
      const message = `The body has more than ${maxMessageBytes} bytes (maxMessageBytes).`;
      // The rest of the body is not read, so the socket cannot serve another request.
      const headers = { connection: "close" };
      return sendError(context, { code: "message_too_large", message, retryable: false }, headers);
    },
  });

  async function read(context: Context): Promise<{ requestId: { request_id?: unknown }; request: Request }> {
    const { request_id, ...body } = parseBody(await context.req.text());
    const request = parseRequest(body);
    metrics.count("masklet_requests_total", { type: request.type });
    return { requestId: request_id === undefined ? {} : { request_id }, request };
  }

  function clientOf(context: Context<AppEnvironment>): Client {
    return predictor.connect({ owner: ownerOf(context) });
  }

  app.post(REQUEST_PATH, limit, async (context) => {
    const { requestId, request } = await read(context);
    if (request.type === "propagate_in_video") throw wrongPath(request.type, STREAM_REQUEST_PATH);
    const { outgoing } = context.env;
    const leaving = new AbortController();
    outgoing.once("close", () => {
      if (!outgoing.writableFinished) leaving.abort(clientLeft());
    });
    const { signal } = leaving;
    const answer = { ...requestId, ...(await clientOf(context).answer(request, { signal })) };
    return context.body(encodeText(answer), 200, { "content-type": "application/json" });
  });
  app.all(REQUEST_PATH, allowOnly("POST"));

  app.post(STREAM_REQUEST_PATH, limit, async (context) => {
    const { requestId, request } = await read(context);
    if (request.type !== "propagate_in_video") throw wrongPath(request.type, REQUEST_PATH);
    if (request.window !== undefined) {
      const message = `window: expected none over HTTP, where the connection limits the frames in flight, got ${request.window}`;
      throw new ProtocolError("invalid_field", message, "window");
    }
    const framing = /\btext\/event-stream\b/i.test(context.req.header("accept") ?? "")
      ? SERVER_SENT_EVENTS
      : NDJSON;
    const stream = clientOf(context).stream(request);
    // An error before the first frame has a status of its own.
    const first = await stream.next();
    const fields = { ...requestId, session_id: request.session_id };
    const body = toBody(stream, first, fields, framing, (cause) => toProtocolError(cause, log));
    return context.body(body, 200, { "content-type": framing.contentType, "x-accel-buffering": "no" });
  });
  app.all(STREAM_REQUEST_PATH, allowOnly("POST"));
}

/** The reader pulls each frame, so that a slow reader slows the model. A reader that leaves ends the propagation. */
function toBody(
  stream: Stream,
  first: Awaited<ReturnType<Stream["next"]>>,
  fields: object,
  framing: Framing,
  toError: (cause: unknown) => ProtocolError,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let waiting: typeof first | undefined = first;
  return new ReadableStream(
    {
      async pull(controller) {
        const send = (message: { type: string }) =>
          controller.enqueue(encoder.encode(framing.write({ ...message, ...fields, type: message.type })));
        try {
          const { done, value } = waiting ?? (await stream.next());
          waiting = undefined;
          send({ ...value, type: done ? "done" : "frame" });
          if (done) controller.close();
        } catch (cause) {
          const error = toError(cause).toBody();
          send({ type: "error", error } as { type: string });
          controller.close();
        }
      },
      async cancel() {
        await stream.return({ num_frames: 0, cancelled: true });
      },
    },
    { highWaterMark: 0 },
  );
}

function parseBody(text: string): Record<string, unknown> {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (cause) {
    throw new ProtocolError("malformed_json", "The body: expected JSON.", undefined, { cause });
  }
  if (typeof body === "object" && body !== null && !Array.isArray(body))
    return body as Record<string, unknown>;
  throw new ProtocolError("malformed_json", "The body: expected a JSON object.");
}

function wrongPath(type: string, path: string): ProtocolError {
  return new ProtocolError("unknown_type", `type: ${type} is for POST ${path}`, "type");
}
