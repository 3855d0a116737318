/** The propagations of one session: at most one that computes, and any number that read stored results. */
import { type Outputs, ProtocolError, type StreamRequest, type VideoFacts } from "../protocol/index.js";
import type { AckWindow } from "./ack-window.js";
import type { EngineSession } from "./engine/index.js";
import { indicesOf, type Leg, planLegs } from "./frame-range.js";
import { cameraFrames } from "./live/live-requests.js";
import type { LiveSource } from "./live/open-live.js";
import { damageOf } from "./media/damage.js";
import type { MediaSource } from "./media/source.js";
import type { OutputsWriter } from "./outputs.js";
import { type PlannedLeg, runPropagation, type TrackedFrame } from "./propagation.js";
import { replayFrames } from "./replay-frames.js";
import { planRecall } from "./results/recall-plan.js";
import type { SessionResults } from "./results/session-results.js";
import { onlyObjects, type StoredFrame } from "./results/stored-frame.js";

export interface PropagatedFrame {
  frame_index: number;
  /** Presentation time in microseconds, as {@link MediaSource.timeOf} defines it: 0 is the start of the container. */
  timestamp_us: number | null;
  /** The picture of the frame is damaged; the nearest readable one stands in. */
  damaged?: true;
  outputs: Outputs;
}

export interface PropagationEnd {
  /** Frames yielded. */
  num_frames: number;
  cancelled: boolean;
}

interface SentFrame {
  frame: StoredFrame;
  /** Absent: the time that the media has for the frame. A live session may no longer keep the frame. */
  timestampUs?: number | undefined;
}

export interface Propagations {
  /** Starts when the first frame is requested; leaving the loop ends it. A full `window` holds back the next frame. */
  run(request: StreamRequest, window?: AckWindow): AsyncGenerator<PropagatedFrame, PropagationEnd, undefined>;
  readonly isRunning: boolean;
  /** A propagation runs and does not wait for an `ack`. */
  readonly isBusy: boolean;
  /**
   * Ends the running propagation after its current frame. The next one may start at once.
   * @param reason it fails with this error; absent: it counts as cancelled
   */
  end(reason?: ProtocolError): void;
  /** Frames visited so far do not move the default start frame any more. */
  reset(): void;
}

export interface PropagationsParts {
  facts: VideoFacts;
  media: MediaSource;
  engine: EngineSession;
  live: LiveSource | undefined;
  results: SessionResults;
  outputs: OutputsWriter;
  /** Aborted with the reason when the session is closed. */
  closing: AbortSignal;
  /** Resolves when the requests made so far are answered. */
  settled(): Promise<void>;
}

export function createPropagations(parts: PropagationsParts): Propagations {
  const { facts, media, engine, live, results, closing } = parts;
  const { store, stale, prompts } = results;
  const { pack, defaultStart } = engine.rules;
  const inputSize = { width: pack.inputSize, height: pack.inputSize };
  let running: AbortController | undefined;
  let runningWindow: AckWindow | undefined;
  let firstVisited = Number.POSITIVE_INFINITY;

  function legsOf(request: StreamRequest, firstFrame: number): Leg[] {
    return planLegs({
      direction: request.propagation_direction,
      startFrame: request.start_frame_index ?? firstFrame,
      maxFrames: request.max_frame_num_to_track,
      numFrames: facts.num_frames,
    });
  }

  async function* plannedLegs(request: StreamRequest): AsyncGenerator<PlannedLeg, void, undefined> {
    await parts.settled();
    const firstPrompted = prompts.firstFrame();
    if (firstPrompted === undefined) {
      throw new ProtocolError("nothing_prompted", "Add a prompt before propagating.");
    }
    if (request.scope === "affected") {
      yield* staleLegs();
      return;
    }
    const objectIds = await chosenObjects(request);
    for (const leg of legsOf(request, Math.min(firstPrompted, firstVisited))) yield { leg, objectIds };
  }

  /** @throws ProtocolError object_not_found */
  async function chosenObjects({ obj_ids }: StreamRequest): Promise<ReadonlySet<number> | null> {
    if (obj_ids === undefined) return null;
    const { objectIds: known } = await engine.describe();
    const missing = obj_ids.find((id) => !known.includes(id));
    if (missing !== undefined) {
      const expected = known.length > 0 ? `objects of the session (${known.join(", ")})` : "no object";
      throw new ProtocolError("object_not_found", `obj_ids: expected ${expected}, got ${missing}`, "obj_ids");
    }
    return new Set(obj_ids);
  }

  async function* staleLegs(): AsyncGenerator<PlannedLeg, void, undefined> {
    for (let job = stale.next(); job; job = stale.next()) {
      for (const leg of job.legs) yield { leg, objectIds: job.objectIds };
      // Also the frames that gave no result, so that no job is repeated.
      for (const leg of job.legs) for (const index of indicesOf(leg)) stale.computed(index, job.objectIds);
    }
  }

  /** The frames of the video in the order of travel. */
  function trackVideo(request: StreamRequest, signal: AbortSignal): AsyncGenerator<TrackedFrame> {
    return runPropagation({
      engine,
      legs: plannedLegs(request),
      startFrame: request.start_frame_index ?? null,
      decode: ({ reverse, first, last }, signal) =>
        media.frames({
          startFrame: first,
          count: Math.abs(last - first) + 1,
          direction: reverse ? "backward" : "forward",
          ...inputSize,
          signal,
        }),
      async *recall(need, leg) {
        const steps = planRecall(need, leg, store, stale);
        const frames = replayFrames(
          media,
          inputSize,
          steps.map(({ frameIndex }) => frameIndex),
        );
        let place = 0;
        for await (const frame of frames) yield { frame, masks: steps[place++]?.masks ?? [] };
      },
      signal,
    });
  }

  async function* compute(request: StreamRequest, signal: AbortSignal): AsyncGenerator<SentFrame> {
    if (live) {
      for await (const { output, timestampUs } of cameraFrames(live, request, signal, parts.settled))
        yield { frame: output, timestampUs };
      return;
    }
    for await (const { output, mode, objectIds } of trackVideo(request, signal)) {
      const { frameIndex } = output;
      if (mode === "full" && defaultStart === "visited") firstVisited = Math.min(firstVisited, frameIndex);
      yield { frame: results.tracked(output, objectIds) };
    }
  }

  async function* readStored(request: StreamRequest): AsyncGenerator<SentFrame> {
    await parts.settled();
    const objectIds = await chosenObjects(request);
    for (const leg of legsOf(request, prompts.firstFrame() ?? 0)) {
      for (const frameIndex of indicesOf(leg)) {
        const frame = store.get(frameIndex);
        if (closing.aborted) return;
        if (frame) yield { frame: objectIds ? onlyObjects(frame, objectIds) : frame };
      }
    }
  }

  async function* send(
    frames: AsyncGenerator<SentFrame>,
    request: StreamRequest,
    window: AckWindow | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<PropagatedFrame, PropagationEnd, undefined> {
    let sent = 0;
    for await (const { frame, timestampUs } of frames) {
      const { frameIndex } = frame;
      const timestamp_us = timestampUs ?? media.timeOf(frameIndex);
      if (window && !(await window.room(signal))) break;
      const outputs = await parts.outputs.write(frame, request);
      window?.sent();
      sent++;
      yield { frame_index: frameIndex, timestamp_us, ...damageOf(media, frameIndex), outputs };
    }
    const { aborted, reason } = signal;
    if (aborted && reason instanceof ProtocolError) throw reason;
    return { num_frames: sent, cancelled: aborted };
  }

  function checkObjects({ obj_ids, scope }: StreamRequest): void {
    if (obj_ids === undefined) return;
    if (live) {
      const message = "obj_ids: only sessions of a video compute single objects; this one is live";
      throw new ProtocolError("wrong_session_kind", message, "obj_ids");
    }
    if (scope !== "affected") return;
    const message = 'obj_ids: requires the scope "all" or "stored", got "affected"';
    throw new ProtocolError("invalid_field", message, "obj_ids");
  }

  function checkStart({ start_frame_index: start }: StreamRequest): void {
    if (start === undefined || start < facts.num_frames) return;
    const field = "start_frame_index";
    const message = `${field}: expected 0..${facts.num_frames - 1}, got ${start}`;
    throw new ProtocolError("frame_out_of_range", message, field);
  }

  return {
    async *run(request, window) {
      closing.throwIfAborted();
      checkStart(request);
      checkObjects(request);
      if (request.scope === "stored" && !live)
        return yield* send(readStored(request), request, window, closing);
      if (running) {
        throw new ProtocolError(
          "propagation_in_progress",
          "This session is propagating; wait for it or cancel it.",
        );
      }
      const mine = new AbortController();
      running = mine;
      runningWindow = window;
      try {
        return yield* send(compute(request, mine.signal), request, window, mine.signal);
      } finally {
        mine.abort();
        if (running === mine) {
          running = undefined;
          runningWindow = undefined;
        }
      }
    },
    get isRunning() {
      return running !== undefined;
    },
    get isBusy() {
      return running !== undefined && !runningWindow?.isWaiting;
    },
    end(reason) {
      running?.abort(reason);
      running = undefined;
      runningWindow = undefined;
    },
    reset() {
      firstVisited = Number.POSITIVE_INFINITY;
    },
  };
}
