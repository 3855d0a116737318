/**
 * The machine learning backend of Label Studio 1.23, at `/label-studio`. The page asks for a prediction when a label is pressed; the whole
 * track is one answer.
 */
import type { Context } from "hono";
import { toProtocolError } from "../../failure.js";
import { type App, type AppEnvironment, ownerOf } from "../../http/context.js";
import { sendError } from "../../http/errors.js";
import { leavingSignal } from "../../http/reader.js";
import type { OwnerId } from "../../session-owner.js";
import type { Adapter, AdapterParts } from "../adapter.js";
import { createConversions } from "../conversion-thread.js";
import { showReasons } from "../reasons.js";
import { handled, limitBody } from "../routes.js";
import { type Asker, belongsTo, othersOf, stateOf } from "./annotators.js";
import type { Conversions } from "./conversions.js";
import { createMediaFetcher } from "./fetch-media.js";
import { predictPictures, refines } from "./pictures.js";
import type { Prediction } from "./prediction.js";
import type { PredictRequest, TaskRequest } from "./read-request.js";
import { createTasks, keyOf, type TaskMedia, type TaskState } from "./tasks.js";
import { predictVideo, unchanged } from "./video.js";

const PREFIX = "/label-studio";

/** Of a request, whose tasks contain all their annotations. Masks are long lists of numbers there. */
const MAX_BODY_BYTES = 128 * 1024 ** 2;

/** Label Studio gives up after 100 seconds (`ML_TIMEOUT_PREDICT`). What is computed by then is answered before. */
const ANSWER_MS = 85_000;

export function createLabelStudio({ predictor, settings, log }: AdapterParts): Adapter {
  const convert = createConversions<Conversions>("./conversions-main", import.meta.url);
  const tasks = createTasks({ predictor, media: createMediaFetcher(settings) });

  async function modelVersion(): Promise<string> {
    const { id, version } = await predictor.ready;
    return `masklet-${id}-${version}`;
  }

  /** The state whose work a request continues; a copy where it belongs to another annotator. */
  async function stateFor(owner: OwnerId, key: string, asker: Asker, media: TaskMedia): Promise<TaskState> {
    const found = stateOf(tasks.statesOf(key), asker);
    const state = found
      ? await ownStateOf(found, key, asker)
      : ((await copyIfRefined(key, asker, media)) ?? tasks.create(owner, key));
    if (asker.annotator !== undefined) state.annotator ??= asker.annotator;
    for (const other of othersOf(tasks.statesOf(key), state, asker))
      await state.inOrder(() =>
        other.inOrder(() => tasks.merge(state, other.isBatch ? tasks.copy(other) : other)),
      );
    return state;
  }

  async function ownStateOf(found: TaskState, key: string, asker: Asker): Promise<TaskState> {
    if (belongsTo(found, asker)) return found;
    return found.inOrder(async () => {
      // Another request of the annotator may have made the copy.
      const again = stateOf(tasks.statesOf(key), asker);
      return again && again !== found && belongsTo(again, asker) ? again : tasks.copy(found);
    });
  }

  /**
   * Masks that are not in a draft yet may be those of the annotator who clicks on them. If they are those of another one, he keeps his
   * own, because this is a copy.
   */
  async function copyIfRefined(
    key: string,
    { annotator, regions }: Asker,
    media: TaskMedia,
  ): Promise<TaskState | undefined> {
    const latest = tasks.statesOf(key).findLast((state) => !state.isBatch && state.annotator === undefined);
    if (annotator !== undefined || !latest) return undefined;
    return latest.inOrder(async () => {
      if (!latest.session || latest.session.hasEnded) return undefined;
      const task = await tasks.open(latest, media);
      return (await refines(regions, task, latest)) ? tasks.copy(latest) : undefined;
    });
  }

  async function predictTask(
    owner: OwnerId,
    given: TaskRequest,
    { project, config, regions }: PredictRequest,
    { leaving, signal }: { leaving: AbortSignal; signal: AbortSignal },
  ): Promise<Prediction> {
    const { id, addresses, framerate, phrases, regionIds } = given;
    const { isList, tag } = config.media;
    const media: TaskMedia = { addresses, isList, signal: leaving };
    const key = keyOf(owner, `${project} ${id}`, addresses);
    const state = regions
      ? await stateFor(owner, key, { ...given, regions }, media)
      : (tasks.statesOf(key).find(({ isBatch }) => isBatch) ?? tasks.create(owner, key, true));
    return state.inOrder(async () => {
      const task = await tasks.open(tasks.use(state), media);
      const common = { config, state, task, framerate, convert, signal };
      const request = { ...common, regions, phrases, regionIds };
      return tag === "video" ? predictVideo(request) : predictPictures(request);
    });
  }

  async function readRequest(context: Context<AppEnvironment>, owner: OwnerId): Promise<PredictRequest> {
    const lease = predictor.shares.take("transfers", owner);
    try {
      return await convert("readRequest", new Uint8Array(await context.req.arrayBuffer()));
    } finally {
      lease.release();
    }
  }

  async function predict(context: Context<AppEnvironment>): Promise<Response> {
    const owner = ownerOf(context);
    const request = await readRequest(context, owner);
    const { tasks: given, regions } = request;
    const model_version = await modelVersion();
    // A region that was deleted, or a tab that was closed.
    if (regions?.length === 0)
      return context.json({ results: given.map(() => ({ result: [], model_version })) });
    const leaving = leavingSignal(context.env.outgoing);
    const signal = AbortSignal.any([leaving, AbortSignal.timeout(ANSWER_MS)]);
    const results: string[] = [];
    for (const task of given) {
      const { result, score, message } = await predictTask(owner, task, request, { leaving, signal }).catch(
        (cause) => failed(cause, request),
      );
      log.info({ owner, task: task.id, regions: result.length }, message);
      const facts = JSON.stringify({ model_version, score });
      results.push(`${facts.slice(0, -1)},"result":[${result.join(",")}]}`);
    }
    const body = `{"results":[${results.join(",")}]}`;
    return context.body(body, 200, { "content-type": "application/json" });
  }

  /** The page ignores failures, so a failed task has a result: its regions as they were, and the sentence. */
  function failed(cause: unknown, { config, regions = [] }: PredictRequest): Prediction {
    const { message } = toProtocolError(cause, log);
    log.warn(`Label Studio: ${message}`);
    const kept = config.media.tag === "video" ? regions.filter(({ type }) => type === "videorectangle") : [];
    const result = kept.map((region) => JSON.stringify(unchanged(region, message)));
    return { result, score: 0, message };
  }

  return {
    prefixes: [PREFIX],
    // Label Studio shows it when a backend cannot be connected.
    around: showReasons(
      "This masklet server requires a key: choose Basic Authentication, with the key as the password.",
    ),
    add(app: App) {
      const limit = limitBody(MAX_BODY_BYTES, sendError);
      const answer = handled(log, sendError);
      const health = { status: "UP", model_class: "masklet" };
      app.get(PREFIX, (context) => context.json(health));
      app.get(`${PREFIX}/`, (context) => context.json(health));
      app.get(`${PREFIX}/health`, (context) => context.json(health));
      app.get(`${PREFIX}/metrics`, (context) => context.json({}));
      app.get(
        `${PREFIX}/versions`,
        answer(async (context) => context.json({ versions: [await modelVersion()] })),
      );
      app.post(
        `${PREFIX}/setup`,
        limit,
        answer(async (context) => context.json({ model_version: await modelVersion() })),
      );
      // Nothing is trained, and sessions end by themselves.
      app.post(`${PREFIX}/webhook`, limit, (context) => context.json({ status: "ignored", result: {} }));
      app.post(`${PREFIX}/train`, limit, (context) => context.json({ status: "ignored" }));
      app.post(`${PREFIX}/predict`, limit, answer(predict));
    },
  };
}
