/**
 * The part of Nuclio's dashboard that a CVAT server uses for its own functions: `cvat/apps/lambda_manager/views.py` of CVAT 2.80. Its
 * settings name a host and a port and no path, so the routes are also at the root.
 */
import type { Context } from "hono";
import { type App, type AppEnvironment, ownerOf } from "../../http/context.js";
import { sendError } from "../../http/errors.js";
import { leavingSignal } from "../../http/reader.js";
import type { Adapter, AdapterParts } from "../adapter.js";
import { createConversions } from "../conversion-thread.js";
import { showReasons } from "../reasons.js";
import { handled, limitBody } from "../routes.js";
import type { Conversions } from "./conversions.js";
import { createDetector } from "./detector.js";
import { describeFunction, findFunction, functionsOf } from "./functions.js";
import { createInteractor } from "./interactor.js";
import { createPushedSessions, type SessionOpening } from "./pushed-sessions.js";
import type { Invocation } from "./read-request.js";
import type { Kind } from "./schemas.js";
import { createTracker } from "./tracker.js";

const PREFIXES = ["/cvat/api", "/api"] as const;

/** One picture as base64. */
const MAX_BODY_BYTES = 128 * 1024 ** 2;

export function createCvat({ predictor, settings, log }: AdapterParts): Adapter {
  const { shares } = predictor;
  const sessions = createPushedSessions(predictor.sessions);
  const convert = createConversions<Conversions>("./conversions-main", import.meta.url);
  const functions = functionsOf(settings.cvatLabels);
  const tracker = createTracker({ sessions, convert });
  const interactor = createInteractor({ sessions, convert });
  const detector = createDetector({ sessions, convert, phrases: settings.cvatLabels });

  const portOf = (context: Context<AppEnvironment>) => context.env.incoming.socket.localPort ?? 0;

  const list = (context: Context<AppEnvironment>) =>
    context.json(
      Object.fromEntries(functions.map((one) => [one.id, describeFunction(one, portOf(context))])),
    );

  const describe = (context: Context<AppEnvironment>) =>
    context.json(describeFunction(findFunction(functions, context.req.param("id")), portOf(context)));

  async function read<K extends Kind>(context: Context<AppEnvironment>, kind: K): Promise<Invocation<K>> {
    const lease = shares.take("transfers", ownerOf(context));
    try {
      const body = new Uint8Array(await context.req.arrayBuffer());
      return (await convert("readInvocation", kind, body)) as Invocation<K>;
    } finally {
      lease.release();
    }
  }

  /** The JSON of the answers by the kind of the function. */
  const answers: {
    [K in Kind]: (opening: SessionOpening, fields: Invocation<K>["fields"]) => Promise<string>;
  } = {
    tracker: async (opening, fields) => JSON.stringify(await tracker.track(opening, fields)),
    interactor: async (opening, fields) => `{"mask":${await interactor.detect(opening, fields)}}`,
    detector: (opening, fields) => detector.detect(opening, fields),
  };

  async function answerOf<K extends Kind>(context: Context<AppEnvironment>, kind: K): Promise<string> {
    const { fields, picture } = await read(context, kind);
    const owner = ownerOf(context);
    const signal = leavingSignal(context.env.outgoing);
    return answers[kind]({ client: predictor.connect({ owner }), owner, picture, signal }, fields);
  }

  async function invoke(context: Context<AppEnvironment>): Promise<Response> {
    const { kind } = findFunction(functions, context.req.header("x-nuclio-function-name"));
    return context.body(await answerOf(context, kind), 200, { "content-type": "application/json" });
  }

  return {
    prefixes: PREFIXES,
    around: showReasons("This masklet server requires a key: CVAT can send one from a netrc file."),
    add(app: App) {
      const limit = limitBody(MAX_BODY_BYTES, sendError);
      const answer = handled(log, sendError);
      for (const prefix of PREFIXES) {
        app.get(`${prefix}/functions`, answer(list));
        app.get(`${prefix}/functions/:id`, answer(describe));
        app.post(`${prefix}/function_invocations`, limit, answer(invoke));
      }
    },
  };
}
