/**
 * One video and everything said about it: a small state machine that joins the decoder and the engine.
 *
 * Requests take effect in the order in which they arrive. A propagation runs beside them: it and they share the engine
 * by turns, so that a prompt or a removal takes effect between two frames.
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
import type { Engine, PackSummary, PassStart, SessionRules } from "./engine/index.js";
import { sessionNotFound } from "./failure.js";
import { type Leg, planLegs } from "./frame-range.js";
import type { MediaFrame, MediaSource } from "./media/source.js";
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
  /** Frames handed over. */
  num_frames: number;
  cancelled: boolean;
}

export interface Session {
  readonly facts: VideoFacts;
  /** True while a request or a propagation is under way, except while the propagation waits for an `ack`. */
  readonly busy: boolean;
  addPrompt(request: AddPromptRequest): Promise<AnswerOf<"add_prompt">>;
  /** Masks for prompts on one picture; the session remembers nothing of it. */
  predict(request: PredictRequest): Promise<AnswerOf<"predict">>;
  removeObject(objectId: number): Promise<void>;
  /** Ends a running propagation and forgets everything that was said. */
  reset(): Promise<void>;
  describe(): Promise<SessionFacts>;
  /**
   * Nothing happens before the first frame is asked for; asking for no more ends the propagation. A full `window` holds
   * back the frame that was just computed, and with it the computation of further frames.
   */
  propagate(
    request: StreamRequest,
    window?: AckWindow,
  ): AsyncGenerator<PropagatedFrame, PropagationEnd, undefined>;
  /** The running propagation ends after the frame it is at. */
  cancel(): void;
  /** Resolves when the requests made so far are answered. */
  settled(): Promise<void>;
  /**
   * Ends whatever runs and gives everything back; closing twice is fine. With a reason, a running propagation fails
   * with it, otherwise it counts as cancelled.
   */
  close(reason?: ProtocolError): Promise<void>;
}

export interface SessionParts {
  facts: VideoFacts;
  media: MediaSource;
  engine: Engine;
  /** What this session runs on; the engine's own may change. */
  pack: PackSummary;
  /** The name the engine knows this session by. */
  engineSessionId: string;
  /** What the engine said when it opened the session. */
  rules: SessionRules;
}

/** Pixels that nobody looks at: frames that are known already are decoded for their times. */
const THUMBNAIL = { width: 16, height: 16 };

export function createSession({ facts, media, engine, pack, engineSessionId, rules }: SessionParts): Session {
  const inputSize = { width: pack.inputSize, height: pack.inputSize };
  const requests = createSerial();
  const engineTurns = createSerial();
  const prompts = createPromptLog();
  const closing = new AbortController();
  let closed: Promise<void> | undefined;
  let running: AbortController | undefined;
  let runningWindow: AckWindow | undefined;
  let waiting = 0;
  let firstVisited = Number.POSITIVE_INFINITY;

  /** Runs a request when those before it are done, unless the session is closed by then. */
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

  function withEngine<T>(task: () => Promise<T>): Promise<T> {
    return engineTurns.run(async () => {
      closing.signal.throwIfAborted();
      return task();
    });
  }

  function checkFrame(frameIndex: number | undefined, field: string): void {
    if (frameIndex === undefined || frameIndex < facts.num_frames) return;
    throw new ProtocolError(
      "frame_out_of_range",
      `${field}: expected 0..${facts.num_frames - 1}, got ${frameIndex}`,
      field,
    );
  }

  /** Frees the place at once: what still runs of an ended propagation takes no more turns. */
  function endRunning(reason?: ProtocolError): void {
    running?.abort(reason);
    running = undefined;
    runningWindow = undefined;
  }

  function decode(
    { reverse, first, last }: Leg,
    mode: PassStart["mode"],
    signal: AbortSignal,
  ): AsyncIterable<MediaFrame> {
    const size = mode === "fetch" ? THUMBNAIL : inputSize;
    const direction = reverse ? "backward" : "forward";
    return media.frames({
      startFrame: first,
      count: Math.abs(last - first) + 1,
      direction,
      ...size,
      signal,
    });
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
      const frames = runPropagation({
        legs: planned,
        decode: (leg, mode) => decode(leg, mode, mine.signal),
        begin: ({ reverse, first, last }) => {
          const startFrame = request.start_frame_index ?? null;
          const pass = { reverse, firstFrame: first, lastFrame: last, startFrame };
          return withEngine(() => engine.beginPropagation(engineSessionId, pass));
        },
        prepare: (frame) => engine.prepare(engineSessionId, frame),
        step: (frameIndex) => withEngine(() => engine.step(engineSessionId, frameIndex)),
        fetch: (frameIndex) => withEngine(() => engine.fetch(engineSessionId, frameIndex)),
        signal: mine.signal,
      });
      for await (const { timestampUs, output, mode } of frames) {
        if (mode === "full" && rules.defaultStart === "visited")
          firstVisited = Math.min(firstVisited, output.frameIndex);
        const outputs = toOutputs(output, request.output_prob_thresh);
        if (window && !(await window.room(mine.signal))) break;
        window?.sent();
        sent++;
        yield { frame_index: output.frameIndex, timestamp_us: timestampUs, outputs };
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
    get busy() {
      return waiting > 0 || (running !== undefined && !runningWindow?.isWaiting);
    },

    async addPrompt(request) {
      checkFrame(request.frame_index, "frame_index");
      const prompt = toEnginePrompt(request, facts);
      return inOrder(async () => {
        const { signal } = closing;
        const { index, rgb } = await media.frame(request.frame_index, { ...inputSize, signal });
        const { output, objectId, semantic } = await withEngine(() =>
          engine.prompt(engineSessionId, { index, rgb }, prompt),
        );
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
        const predicted = await withEngine(() => engine.predict(engineSessionId, { index, rgb }, prompt));
        return { frame_index, ...toPredictions(predicted, request.return_low_res_masks) };
      });
    },

    removeObject: (objectId) =>
      inOrder(async () => {
        await withEngine(() => engine.removeObject(engineSessionId, objectId));
        prompts.removeObject(objectId);
      }),

    reset: () =>
      inOrder(async () => {
        endRunning();
        await withEngine(() => engine.resetSession(engineSessionId));
        prompts.clear();
        firstVisited = Number.POSITIVE_INFINITY;
      }),

    describe: () =>
      inOrder(async () => {
        const { concepts, objectIds } = await withEngine(() => engine.describeSession(engineSessionId));
        const { id, family, version } = pack;
        const propagating = running !== undefined;
        return { ...facts, concepts, obj_ids: objectIds, propagating, pack: { id, family, version } };
      }),

    propagate,
    cancel: () => endRunning(),
    settled: () => requests.run(async () => {}),

    close(reason) {
      closed ??= (async () => {
        endRunning(reason);
        closing.abort(reason ?? sessionNotFound(facts.session_id));
        await media.close();
        await engineTurns.run(() => engine.closeSession(engineSessionId));
      })();
      return closed;
    },
  };
}
