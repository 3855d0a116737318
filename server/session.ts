/**
 * One video with its prompts: a small state machine that connects the decoder and the engine.
 *
 * Requests take effect in the order in which they arrive. A propagation runs beside them: both share the engine session by
 * turns, so that a prompt or a removal takes effect between two frames.
 */
import {
  type AddPromptRequest,
  type AnswerOf,
  type EditRequest,
  type MaskFormatFields,
  type PolicyOverride,
  type PredictRequest,
  ProtocolError,
  type RequestOf,
  type SessionFacts,
  type StreamRequest,
  type VideoFacts,
} from "../protocol/index.js";
import type { AckWindow } from "./ack-window.js";
import { describeConcepts, describeObjects } from "./edits/facts.js";
import { createSessionEdits } from "./edits/session-edits.js";
import type { EngineSession } from "./engine/index.js";
import type { Selection } from "./exports/plan.js";
import { createSessionSource } from "./exports/session-source.js";
import type { ExportSource } from "./exports/source.js";
import { sessionNotFound } from "./failure.js";
import { type FramePicture, framePictures, type PictureRange } from "./frame-pictures.js";
import { indexOf } from "./live/live-requests.js";
import type { LiveSource } from "./live/open-live.js";
import { readMask } from "./mask-input.js";
import { damageOf } from "./media/damage.js";
import type { MediaSource } from "./media/source.js";
import { createMetrics, type Metrics } from "./metrics.js";
import { createOutputsWriter, type OutputsRequest, type OutputsWriter } from "./outputs.js";
import { defaultPictures } from "./pictures/default.js";
import type { OwnerPictures } from "./pictures/pictures.js";
import type { PredictionPlaces } from "./prediction-places.js";
import { pixelsOf, toLowResMask, toPredictionPrompt, toPredictions } from "./predictions.js";
import { toEnginePrompt } from "./prompts.js";
import { createPropagations, type PropagatedFrame, type PropagationEnd } from "./propagations.js";
import { toAffected } from "./results/affected.js";
import type { SessionResults } from "./results/session-results.js";
import { stepThroughEdits } from "./results/undo.js";
import type { LoadedFacts } from "./saved/load-session.js";
import type { SavedContent } from "./saved/saved-file.js";
import { stateOf } from "./saved/session-state.js";
import { createSerial } from "./serial.js";
import { measureOutputs } from "./stages.js";
import { isConfirmed, listSuspects } from "./states.js";

export interface Session {
  readonly facts: VideoFacts;
  /** The video itself. Its pictures and times need no turn among the requests. */
  readonly media: MediaSource;
  /** Pictures of a stretch of frames as JPEG, in ascending order. @throws as {@link MediaSource.frames} */
  pictures(range: PictureRange): AsyncGenerator<FramePicture, void, undefined>;
  /** The stored results of a stretch of frames, ascending. What a client has received before has no influence. */
  storedFrames(request: StoredRequest): AsyncGenerator<PropagatedFrame, void, undefined>;
  /** Present in sessions that continue a saved one. */
  readonly loaded: LoadedFacts | undefined;
  /** Present in live sessions. */
  readonly live: LiveSource | undefined;
  /** Writes masks in the format of the session, for pushed frames. */
  readonly outputs: OutputsWriter;
  /** The index of a frame that a request names. @throws ProtocolError wrong_session_kind for `latest` when not live */
  indexOf(frame: number | "latest"): number;
  /** True while a request or a propagation is under way, except while the propagation waits for an `ack`. */
  readonly busy: boolean;
  addPrompt(request: AddPromptRequest): Promise<AnswerOf<"add_prompt">>;
  /**
   * Masks for prompts on one picture, without any effect on the session.
   * @param left ends the request: its client has gone
   */
  predict(request: PredictRequest, left?: AbortSignal): Promise<AnswerOf<"predict">>;
  /** See `edits/session-edits.ts`. */
  edit<R extends EditRequest>(request: R): Promise<AnswerOf<R["type"]>>;
  removeObject(
    request: Pick<RequestOf<"remove_object">, "obj_id" | "frame_index">,
  ): Promise<AnswerOf<"remove_object">>;
  /** Takes back the last edit, or carries it out again. Ends a running propagation. @throws ProtocolError nothing_to_undo */
  stepThroughEdits(step: "undo" | "redo"): Promise<AnswerOf<"undo">>;
  /** Ends a running propagation and removes all prompts, objects and memory. */
  reset(): Promise<void>;
  describe(): Promise<SessionFacts>;
  /** The computed masks that may be wrong, worst first. */
  listSuspects(limit: number): Promise<AnswerOf<"list_suspects">>;
  /**
   * Starts when the first frame is requested; leaving the loop ends the propagation. A full `window` holds
   * back the frame that was just computed, and with it the computation of further frames.
   */
  propagate(
    request: StreamRequest,
    window?: AckWindow,
  ): AsyncGenerator<PropagatedFrame, PropagationEnd, undefined>;
  /** Ends the running propagation after the current frame. @param reason it fails with this error; absent: it is cancelled */
  cancel(reason?: ProtocolError): void;
  /**
   * The stored results as the source of an export, as they are when the promise resolves.
   * @param signal ends the reading of pictures
   * @throws ProtocolError frame_out_of_range, object_not_found, mask_not_found, wrong_session_kind for live sessions
   */
  exportSource(selection: Selection, signal?: AbortSignal): Promise<ExportSource>;
  /** What a file needs to continue the session. @throws ProtocolError wrong_session_kind for live sessions */
  save(): Promise<SavedContent>;
  /** Resolves when the requests made so far are answered. */
  settled(): Promise<void>;
  /** Resolves when the requests made so far are answered, and the frames pushed so far. */
  drained(): Promise<void>;
  /**
   * Ends running work and releases all resources; may be called again. With a reason, a running propagation fails with it;
   * without one it counts as cancelled.
   */
  close(reason?: ProtocolError): Promise<void>;
}

export interface StoredRequest extends OutputsRequest {
  /** Frame indices, both inclusive. */
  first: number;
  last: number;
}

export interface SessionParts {
  facts: VideoFacts;
  media: MediaSource;
  engine: EngineSession;
  live?: LiveSource;
  /** The name of the file of the video, for exports. */
  fileName?: string;
  results: SessionResults;
  /** Overrides of the pack's preset. */
  policy?: PolicyOverride;
  /** Decodes mask pictures. */
  pictures?: OwnerPictures;
  /** The form of masks in requests that choose none. */
  maskFormat?: MaskFormatFields;
  /** Present for sessions that continue a saved one. */
  loaded?: LoadedFacts;
  /** Default: none are kept. */
  metrics?: Metrics;
  /** Default: `predict` has no limit. */
  predictionPlaces?: PredictionPlaces;
}

export function createSession(parts: SessionParts): Session {
  const { facts, media, engine, live, results, maskFormat = {}, metrics = createMetrics() } = parts;
  const { pictures = defaultPictures() } = parts;
  const { pack } = engine.rules;
  const inputSize = { width: pack.inputSize, height: pack.inputSize };
  const requests = createSerial();
  const outputs = measureOutputs(
    createOutputsWriter(maskFormat, (...mask) => isConfirmed(results, ...mask)),
    metrics,
  );
  const closing = new AbortController();
  let closed: Promise<void> | undefined;
  let waiting = 0;

  /** Runs a request once those before it are answered, unless the session is closed by then. */
  async function inOrder<T>(task: () => Promise<T>): Promise<T> {
    waiting++;
    try {
      return await requests.run(async () => {
        closing.signal.throwIfAborted();
        return task();
      });
    } finally {
      waiting--;
    }
  }

  /** Of the calls of the engine that one `undo` takes back. A live session keeps no edits. */
  const step = { isStep: live === undefined };

  function checkFrame(frameIndex: number | undefined, field: string): void {
    const { num_frames } = facts;
    if (frameIndex === undefined || frameIndex < num_frames) return;
    const expected = num_frames > 0 ? `expected 0..${num_frames - 1}` : "no frame has arrived yet";
    throw new ProtocolError("frame_out_of_range", `${field}: ${expected}, got ${frameIndex}`, field);
  }

  const settled = () => requests.run(async () => {});

  const propagations = createPropagations({
    facts,
    media,
    engine,
    live,
    results,
    outputs,
    closing: closing.signal,
    settled: () => inOrder(async () => {}),
  });

  const decode = async (frameIndex: number, signal = closing.signal) => {
    const { index, rgb } = await media.frame(frameIndex, { ...inputSize, signal });
    return { index, rgb };
  };
  const edits = createSessionEdits({
    facts,
    engine: { ...engine, edit: (params) => engine.edit({ ...params, ...step }) },
    results,
    frame: (frameIndex) => decode(frameIndex),
    isPropagating: () => propagations.isRunning,
    // Names are not part of the state of the engine.
    record: (name, affected) => results.edits.record({ name, affected, isInEngine: name !== "rename" }),
  });

  return {
    facts,
    media,
    pictures: (range) => framePictures(media, { pictures, closing: closing.signal }, range),
    async *storedFrames({ first, last, ...request }) {
      await settled();
      const writer = createOutputsWriter({ ...maskFormat, changed_only: false }, (...mask) =>
        isConfirmed(results, ...mask),
      );
      for (const frameIndex of results.store.frames({ first, last })) {
        const frame = results.store.get(frameIndex);
        if (closing.signal.aborted) throw closing.signal.reason;
        if (!frame) continue;
        const timestamp_us = media.timeOf(frameIndex);
        const outputs = await writer.write(frame, request);
        yield { frame_index: frameIndex, timestamp_us, ...damageOf(media, frameIndex), outputs };
      }
    },
    loaded: parts.loaded,
    live,
    outputs,
    indexOf: (frame) => indexOf(frame, live),
    get busy() {
      return live?.feed.busy || waiting > 0 || propagations.isBusy;
    },

    async addPrompt(request) {
      checkFrame(request.frame_index, "frame_index");
      return inOrder(async () => {
        const mask =
          request.mask && (await readMask(request.mask, facts, { pictures, signal: closing.signal }));
        const { obj_id, frame_index } = request;
        const known = obj_id === undefined ? undefined : results.store.object(frame_index, obj_id);
        const prompt = toEnginePrompt(request, facts, { mask, shown: known?.mask });
        const frame = await decode(request.frame_index);
        const prompted = await engine.prompt({ frame, prompt, ...step });
        const { output, objectId, semantic, vocabulary, removedIds = [] } = prompted;
        const { frame: shown, affected } = results.prompted(output, {
          objectId,
          replace: request.replace,
          removedIds,
        });
        return {
          frame_index: request.frame_index,
          ...damageOf(media, request.frame_index),
          ...(objectId !== undefined && { obj_id: objectId }),
          outputs: await outputs.write(shown, request),
          affected: toAffected(affected),
          ...(vocabulary && {
            vocabulary_coverage: vocabulary.coverage,
            unknown_words: [...vocabulary.unknownWords],
          }),
          ...(semantic && { semantic_map: { logits: toLowResMask(semantic), mask: semantic.mask } }),
        };
      });
    },

    async predict(request, left) {
      const { frame_index } = request;
      checkFrame(frame_index, "frame_index");
      const prompt = toPredictionPrompt(request, facts);
      const signal = AbortSignal.any([closing.signal, ...(left ? [left] : [])]);
      return inOrder(async () => {
        signal.throwIfAborted();
        const place = await parts.predictionPlaces?.(pixelsOf(prompt, facts), signal);
        try {
          const frame = await decode(frame_index, signal);
          const predicted = await engine.predict({ frame, prompt }, signal);
          const damage = damageOf(media, frame_index);
          return { frame_index, ...damage, ...toPredictions(predicted, request.return_low_res_masks) };
        } finally {
          place?.release();
        }
      });
    },

    removeObject: ({ obj_id: objectId, frame_index }) =>
      inOrder(async () => {
        await engine.removeObject({ objectId, ...step });
        const affected = toAffected(results.removed(objectId));
        const none = { frameIndex: frame_index, objects: [], stats: { tracked: 0, dropped: 0 } };
        const frame = results.store.get(frame_index) ?? none;
        const answered = await outputs.write(frame, { output_prob_thresh: 0.5 });
        return { is_success: true, affected, frame_index, outputs: answered } as const;
      }),

    stepThroughEdits: (step) =>
      inOrder(async () => {
        if (live) throw new ProtocolError("wrong_session_kind", `${step}: a live session keeps no edits.`);
        return stepThroughEdits(results.edits, step, propagations.end);
      }),

    edit: (request) => inOrder(() => edits.carryOut(request)),

    reset: () =>
      inOrder(async () => {
        propagations.end();
        await engine.reset();
        results.clear();
        outputs.forget();
        propagations.reset();
      }),

    listSuspects: (limit) => inOrder(async () => listSuspects(results, limit)),

    describe: () =>
      inOrder(async () => {
        const described = await engine.describe();
        const { id, family, version } = pack;
        const { canUndo, canRedo } = results.edits;
        return {
          ...facts,
          ...describeConcepts(described, results.marks),
          obj_ids: described.objectIds,
          objects: describeObjects(described, results.marks, facts.num_frames),
          propagating: propagations.isRunning,
          num_stored_frames: results.store.size,
          stale_frames: live ? [] : toAffected(results.stale.save()),
          can_undo: canUndo && !live,
          can_redo: canRedo,
          pack: { id, family, version },
        };
      }),

    exportSource: (selection, signal) =>
      inOrder(async () => {
        if (live) {
          throw new ProtocolError("wrong_session_kind", "export: a live session stores no results.");
        }
        const described = await engine.describe();
        return createSessionSource({
          facts,
          fileName: parts.fileName ?? "video",
          objects: describeObjects(described, results.marks, facts.num_frames),
          conceptNames: results.marks.conceptNames(),
          store: results.store,
          media,
          selection,
          ...(signal && { signal }),
        });
      }),

    save: () =>
      inOrder(async () => {
        if (live) {
          const message = "save_session: the frames of a live session are gone, so it cannot be continued.";
          throw new ProtocolError("wrong_session_kind", message);
        }
        const described = await engine.describe();
        const tracker = await engine.snapshot();
        const { width, height, num_frames } = facts;
        const { fileName: name } = parts;
        const { store } = results;
        return {
          pack: { id: pack.id, hash: pack.hash },
          video: { width, height, num_frames, ...(name !== undefined && { name }) },
          session: stateOf(results, parts.policy ?? null, described),
          // Stored frames are immutable, so later changes of the session do not change the file.
          results: store.frames().flatMap((index) => store.get(index) ?? []),
          tracker,
        };
      }),

    propagate: propagations.run,
    cancel: (reason) => propagations.end(reason),
    settled,
    async drained() {
      await settled();
      await live?.feed.idle();
    },

    close(reason) {
      closed ??= (async () => {
        propagations.end(reason);
        const refusal = reason ?? sessionNotFound(facts.session_id);
        closing.abort(refusal);
        live?.feed.close(refusal);
        await live?.camera?.close();
        await Promise.all([media.close(), engine.close(refusal)]);
      })();
      return closed;
    },
  };
}
