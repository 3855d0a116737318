/**
 * One video with its prompts: a small state machine that connects the decoder and the engine.
 *
 * Requests take effect in the order in which they arrive. A propagation runs beside them: both share the engine session by
 * turns, so that a prompt or a removal takes effect between two frames.
 */
import {
  type AddPromptRequest,
  type AnswerOf,
  type Outputs,
  type PredictRequest,
  ProtocolError,
  type SessionFacts,
  type StreamRequest,
  type VideoFacts,
} from "../protocol/index.js";
import type { AckWindow } from "./ack-window.js";
import type { EngineSession } from "./engine/index.js";
import { sessionNotFound } from "./failure.js";
import { planLegs } from "./frame-range.js";
import { cameraFrames, indexOf } from "./live/live-requests.js";
import type { LiveSource } from "./live/open-live.js";
import { readMask } from "./mask-input.js";
import type { MediaSource } from "./media/source.js";
import { toOutputs } from "./outputs.js";
import { toLowResMask, toPredictionPrompt, toPredictions } from "./predictions.js";
import { createPromptLog } from "./prompt-log.js";
import { toEnginePrompt } from "./prompts.js";
import { runPropagation } from "./propagation.js";
import { createSerial } from "./serial.js";

export interface PropagatedFrame {
  frame_index: number;
  /** Presentation time in microseconds, as {@link MediaSource.timeOf} defines it: 0 is the start of the container. */
  timestamp_us: number | null;
  outputs: Outputs;
}

export interface PropagationEnd {
  /** Frames yielded. */
  num_frames: number;
  cancelled: boolean;
}

export interface Session {
  readonly facts: VideoFacts;
  /** Present in live sessions. */
  readonly live: LiveSource | undefined;
  /** The index of a frame that a request names. @throws ProtocolError wrong_session_kind for `latest` when not live */
  indexOf(frame: number | "latest"): number;
  /** True while a request or a propagation is under way, except while the propagation waits for an `ack`. */
  readonly busy: boolean;
  addPrompt(request: AddPromptRequest): Promise<AnswerOf<"add_prompt">>;
  /** Masks for prompts on one picture, without any effect on the session. */
  predict(request: PredictRequest): Promise<AnswerOf<"predict">>;
  removeObject(objectId: number): Promise<void>;
  /** Ends a running propagation and removes all prompts, objects and memory. */
  reset(): Promise<void>;
  describe(): Promise<SessionFacts>;
  /**
   * Starts when the first frame is requested; leaving the loop ends the propagation. A full `window` holds
   * back the frame that was just computed, and with it the computation of further frames.
   */
  propagate(
    request: StreamRequest,
    window?: AckWindow,
  ): AsyncGenerator<PropagatedFrame, PropagationEnd, undefined>;
  /** Ends the running propagation after the current frame. */
  cancel(): void;
  /** Resolves when the requests made so far are answered. */
  settled(): Promise<void>;
  /**
   * Ends running work and releases all resources; may be called again. With a reason, a running propagation fails with it;
   * without one it counts as cancelled.
   */
  close(reason?: ProtocolError): Promise<void>;
}

export interface SessionParts {
  facts: VideoFacts;
  media: MediaSource;
  engine: EngineSession;
  live?: LiveSource;
}

export function createSession({ facts, media, engine, live }: SessionParts): Session {
  const { pack, defaultStart } = engine.rules;
  const inputSize = { width: pack.inputSize, height: pack.inputSize };
  const requests = createSerial();
  const prompts = createPromptLog();
  const closing = new AbortController();
  let closed: Promise<void> | undefined;
  let running: AbortController | undefined;
  let runningWindow: AckWindow | undefined;
  let waiting = 0;
  let firstVisited = Number.POSITIVE_INFINITY;

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

  function checkFrame(frameIndex: number | undefined, field: string): void {
    const { num_frames } = facts;
    if (frameIndex === undefined || frameIndex < num_frames) return;
    const expected = num_frames > 0 ? `expected 0..${num_frames - 1}` : "no frame has arrived yet";
    throw new ProtocolError("frame_out_of_range", `${field}: ${expected}, got ${frameIndex}`, field);
  }

  const settled = () => requests.run(async () => {});

  /** The next propagation may start at once: an ended one steps no further frame. */
  function endRunning(reason?: ProtocolError): void {
    running?.abort(reason);
    running = undefined;
    runningWindow = undefined;
  }

  async function* propagate(
    request: StreamRequest,
    window?: AckWindow,
  ): AsyncGenerator<PropagatedFrame, PropagationEnd, undefined> {
    closing.signal.throwIfAborted();
    checkFrame(request.start_frame_index, "start_frame_index");
    if (running) {
      throw new ProtocolError(
        "propagation_in_progress",
        "This session is propagating; wait for it or cancel it.",
      );
    }
    const mine = new AbortController();
    running = mine;
    runningWindow = window;
    let sent = 0;
    try {
      const planned = async () => {
        const firstPrompted = await inOrder(async () => prompts.firstFrame());
        if (firstPrompted === undefined) {
          throw new ProtocolError("nothing_prompted", "Add a prompt before propagating.");
        }
        return planLegs({
          direction: request.propagation_direction,
          startFrame: request.start_frame_index ?? Math.min(firstPrompted, firstVisited),
          maxFrames: request.max_frame_num_to_track,
          numFrames: facts.num_frames,
        });
      };
      const tracked = () =>
        runPropagation({
          engine,
          legs: planned,
          startFrame: request.start_frame_index ?? null,
          decode: ({ reverse, first, last }, signal) =>
            media.frames({
              startFrame: first,
              count: Math.abs(last - first) + 1,
              direction: reverse ? "backward" : "forward",
              ...inputSize,
              signal,
            }),
          signal: mine.signal,
        });
      const frames = live ? cameraFrames(live, request, mine.signal, settled) : tracked();
      for await (const { output, mode, timestampUs } of frames) {
        const { frameIndex } = output;
        const timestamp_us = timestampUs ?? media.timeOf(frameIndex);
        if (mode === "full" && defaultStart === "visited") firstVisited = Math.min(firstVisited, frameIndex);
        const outputs = toOutputs(output, request.output_prob_thresh);
        if (window && !(await window.room(mine.signal))) break;
        window?.sent();
        sent++;
        yield { frame_index: frameIndex, timestamp_us, outputs };
      }
      const { aborted, reason } = mine.signal;
      if (aborted && reason instanceof ProtocolError) throw reason;
      return { num_frames: sent, cancelled: aborted };
    } finally {
      mine.abort();
      if (running === mine) {
        running = undefined;
        runningWindow = undefined;
      }
    }
  }

  return {
    facts,
    live,
    indexOf: (frame) => indexOf(frame, live, facts.num_frames),
    get busy() {
      return live?.feed.busy || waiting > 0 || (running !== undefined && !runningWindow?.isWaiting);
    },

    async addPrompt(request) {
      checkFrame(request.frame_index, "frame_index");
      return inOrder(async () => {
        const mask = request.mask && (await readMask(request.mask, facts));
        const prompt = toEnginePrompt(request, facts, mask);
        const { signal } = closing;
        const { index, rgb } = await media.frame(request.frame_index, { ...inputSize, signal });
        const { output, objectId, semantic } = await engine.prompt({ frame: { index, rgb }, prompt });
        if (objectId === undefined) prompts.addConcept(request.frame_index, request.replace);
        else prompts.addObject(request.frame_index, objectId);
        return {
          frame_index: request.frame_index,
          ...(objectId !== undefined && { obj_id: objectId }),
          outputs: toOutputs(output, request.output_prob_thresh),
          ...(semantic && { semantic_map: { logits: toLowResMask(semantic), mask: semantic.mask } }),
        };
      });
    },

    async predict(request) {
      const { frame_index } = request;
      checkFrame(frame_index, "frame_index");
      const prompt = toPredictionPrompt(request, facts);
      return inOrder(async () => {
        const { signal } = closing;
        const { index, rgb } = await media.frame(frame_index, { ...inputSize, signal });
        const predicted = await engine.predict({ frame: { index, rgb }, prompt });
        return { frame_index, ...toPredictions(predicted, request.return_low_res_masks) };
      });
    },

    removeObject: (objectId) =>
      inOrder(async () => {
        await engine.removeObject({ objectId });
        prompts.removeObject(objectId);
      }),

    reset: () =>
      inOrder(async () => {
        endRunning();
        await engine.reset();
        prompts.clear();
        firstVisited = Number.POSITIVE_INFINITY;
      }),

    describe: () =>
      inOrder(async () => {
        const { concepts, objectIds } = await engine.describe();
        const { id, family, version } = pack;
        const propagating = running !== undefined;
        return { ...facts, concepts, obj_ids: objectIds, propagating, pack: { id, family, version } };
      }),

    propagate,
    cancel: () => endRunning(),
    settled,

    close(reason) {
      closed ??= (async () => {
        endRunning(reason);
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
