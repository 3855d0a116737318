/**
 * The machine learning backend of Label Studio 1.23, at `/label-studio`. The page asks for a prediction when a label is pressed; the whole
 * track is one answer.
 */
import type { Context, Handler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { ProtocolError, parseFields } from "../../../protocol/index.js";
import { toProtocolError } from "../../failure.js";
import { type App, type AppEnvironment, ownerOf } from "../../http/context.js";
import { sendError } from "../../http/errors.js";
import { leavingSignal } from "../../http/reader.js";
import type { OwnerId } from "../../session-owner.js";
import type { Adapter, AdapterParts } from "../adapter.js";
import { createMediaFetcher } from "./fetch-media.js";
import { type LabelConfig, readLabelConfig } from "./label-config.js";
import { predictPictures } from "./pictures.js";
import { predictSchema, type Region, regionSchema, type Task } from "./schemas.js";
import { createTasks } from "./tasks.js";
import { type PredictedResult, predictVideo, unchanged } from "./video.js";

const PREFIX = "/label-studio";

/** Of a request, whose tasks contain all their annotations. Masks are long lists of numbers there. */
const MAX_BODY_BYTES = 128 * 1024 ** 2;

/** Label Studio gives up after 100 seconds (`ML_TIMEOUT_PREDICT`). What is computed by then is answered before. */
const ANSWER_MS = 85_000;

/** Text areas with these names contain phrases. */
const PHRASES = ["phrase", "phrases", "prompt"];

export function createLabelStudio({ predictor, settings, log }: AdapterParts): Adapter {
  const tasks = createTasks({ predictor, media: createMediaFetcher(settings) });

  async function modelVersion(): Promise<string> {
    const { id, version } = await predictor.ready;
    return `masklet-${id}-${version}`;
  }

  async function predictTask(
    owner: OwnerId,
    project: string,
    given: Task,
    config: LabelConfig,
    regions: readonly Region[] | undefined,
    signals: { leaving: AbortSignal; signal: AbortSignal },
  ): Promise<PredictedResult> {
    const { isList, tag, field } = config.media;
    const value = given.data[field];
    const addresses = isList ? (Array.isArray(value) ? value : String(value).split(",")) : [value];
    const state = tasks.find(owner, `${project} ${given.id}`, addresses);
    const phrases = phrasesOf(given, regions);
    return state.inOrder(async () => {
      const task = await tasks.open(state, isList, signals.leaving);
      const request = { config, state, task, regions, phrases, signal: signals.signal };
      return tag === "video" ? predictVideo(request) : predictPictures(request);
    });
  }

  async function predict(context: Context<AppEnvironment>): Promise<Response> {
    const owner = ownerOf(context);
    const lease = predictor.shares.take("transfers", owner);
    let body: unknown;
    try {
      body = await readJson(context);
    } finally {
      lease.release();
    }
    const { tasks: given, label_config, params, project } = parseFields(predictSchema, body);
    const model_version = await modelVersion();
    const context_ = params?.context;
    const regions = context_ ? (context_.result ?? []) : undefined;
    // A region that was deleted, or a tab that was closed.
    if (regions?.length === 0)
      return context.json({ results: given.map(() => ({ result: [], model_version })) });
    const config = readLabelConfig(label_config);
    const leaving = leavingSignal(context.env.outgoing);
    const signal = AbortSignal.any([leaving, AbortSignal.timeout(ANSWER_MS)]);
    const results: object[] = [];
    for (const task of given) {
      // The id of a project is followed by the time of its creation.
      const prediction = await predictTask(owner, project ?? "", task, config, regions, {
        leaving,
        signal,
      }).catch((cause) => failed(cause, config, regions));
      const { result, score, message } = prediction;
      log.info({ owner, task: task.id, regions: result.length }, message);
      results.push({ model_version, score, result });
    }
    return context.json({ results });
  }

  /** The page ignores failures, so a failed task has a result: its regions as they were, and the sentence. */
  function failed(cause: unknown, config: LabelConfig, regions: readonly Region[] = []): PredictedResult {
    const { message } = toProtocolError(cause, log);
    log.warn(`Label Studio: ${message}`);
    const kept = config.media.tag === "video" ? regions.filter(({ type }) => type === "videorectangle") : [];
    const result = kept.map((region) => unchanged(region, message));
    return { result, score: 0, message };
  }

  const handled =
    (answer: (context: Context<AppEnvironment>) => Promise<Response>): Handler<AppEnvironment> =>
    async (context) => {
      try {
        return await answer(context);
      } catch (cause) {
        const { incoming, outgoing } = context.env;
        if (incoming.readableAborted || outgoing.destroyed) return context.body(null, 400);
        return sendError(context, toProtocolError(cause, log).toBody());
      }
    };

  return {
    prefix: PREFIX,
    add(app: App) {
      const limit = bodyLimit({
        maxSize: MAX_BODY_BYTES,
        onError: (context) => {
          const message = `The body has more than ${MAX_BODY_BYTES} bytes.`;
          return sendError(context, { code: "message_too_large", message, retryable: false });
        },
      });
      const health = { status: "UP", model_class: "masklet" };
      app.get(PREFIX, (context) => context.json(health));
      app.get(`${PREFIX}/`, (context) => context.json(health));
      app.get(`${PREFIX}/health`, (context) => context.json(health));
      app.get(`${PREFIX}/metrics`, (context) => context.json({}));
      app.get(
        `${PREFIX}/versions`,
        handled(async (context) => context.json({ versions: [await modelVersion()] })),
      );
      app.post(
        `${PREFIX}/setup`,
        limit,
        handled(async (context) => context.json({ model_version: await modelVersion() })),
      );
      // Nothing is trained, and sessions end by themselves.
      app.post(`${PREFIX}/webhook`, limit, (context) => context.json({ status: "ignored", result: {} }));
      app.post(`${PREFIX}/train`, limit, (context) => context.json({ status: "ignored" }));
      app.post(`${PREFIX}/predict`, limit, handled(predict));
    },
  };
}

async function readJson(context: Context<AppEnvironment>): Promise<unknown> {
  try {
    return JSON.parse(await context.req.text());
  } catch (cause) {
    throw new ProtocolError("malformed_json", "The body: expected JSON.", undefined, { cause });
  }
}

/** The texts of the text areas for phrases, in the context or in the newest draft of the task. */
function phrasesOf({ drafts }: Task, regions: readonly Region[] = []): string[] {
  const drawn = (drafts?.at(-1)?.result ?? []).flatMap((one) => regionSchema.safeParse(one).data ?? []);
  const texts = [...regions, ...drawn]
    .filter(({ type, from_name }) => type === "textarea" && PHRASES.includes(from_name))
    .flatMap(({ value }) => value.text ?? [])
    .flatMap((text) => text.split(","))
    .map((text) => text.trim());
  return [...new Set(texts)].filter((text) => text !== "");
}
