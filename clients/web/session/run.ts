/** Propagations: started, watched, paused and continued. */
import { type ReadonlySignal, signal } from "@preact/signals";
import type { MaskletSession, PropagationFields } from "../../typescript/index.js";
import { type FrameResult, frameResultOf } from "../results/frame-result.js";

export type RunDirection = "forward" | "backward" | "both";

export interface RunPlan {
  direction: RunDirection;
  /** The first frame that is computed. */
  start: number;
  /** The last frame in the direction; with `both` the farthest distance is to the ends of the video. */
  end: number;
  /** `affected`: only what edits made stale, and only the edited objects. */
  scope: "all" | "affected";
  /** Computes only these objects; the others keep their results. Not with `affected`. */
  objectIds?: readonly number[];
}

export type RunState =
  | { kind: "idle" }
  | {
      kind: "running";
      plan: RunPlan;
      frame: number;
      first: number;
      last: number;
      numDone: number;
      numFrames: number;
    }
  | { kind: "stopping" }
  /** `rest` continues the run. */
  | { kind: "paused"; rest: RunPlan };

export interface Run {
  readonly state: ReadonlySignal<RunState>;
  /** Resolves when the run has ended or was paused. Rejects with a `MaskletError`. @throws Error during another run */
  start(plan: RunPlan): Promise<void>;
  /** Ends the run after the current frame. The frames computed so far stay. */
  pause(): Promise<void>;
  /** Continues a paused run. */
  resume(): Promise<void>;
  /** Forgets a paused run. */
  forget(): void;
}

/** Frames of `propagate_in_video` with these fields, see PROTOCOL.md [T-1]. */
export function fieldsOf({ direction, start, end, scope, objectIds }: RunPlan): PropagationFields {
  if (scope === "affected") return { scope };
  const only = objectIds && { obj_ids: [...objectIds] };
  if (direction === "both") return { propagation_direction: "both", start_frame_index: start, ...only };
  // A backward propagation leaves its start frame out.
  const from = direction === "backward" ? start + 1 : start;
  return {
    propagation_direction: direction,
    start_frame_index: from,
    max_frame_num_to_track: Math.abs(end - from),
    ...only,
  };
}

/** What is left of a plan after `frame`; undefined at its end. */
export function restOf(plan: RunPlan, frame: number, numFrames: number): RunPlan | undefined {
  if (plan.scope === "affected") return plan;
  if (plan.direction === "forward") return frame < plan.end ? { ...plan, start: frame + 1 } : undefined;
  if (plan.direction === "backward") return frame > plan.end ? { ...plan, start: frame - 1 } : undefined;
  // First forward from the start, then backward.
  if (frame >= plan.start && frame < numFrames - 1)
    return { ...plan, start: frame + 1, direction: "forward", end: numFrames - 1 };
  const before = frame >= plan.start ? plan.start - 1 : frame - 1;
  return before >= 0 ? { ...plan, direction: "backward", start: before, end: 0 } : undefined;
}

export interface RunParts {
  client: MaskletSession;
  numFrames: number;
  /** @param objectIds the objects that were computed; undefined: all */
  onFrame(result: FrameResult, objectIds: readonly number[] | undefined): void;
  /** The run has ended, with an error or without. */
  onEnd(): Promise<void>;
}

export function createRun({ client, numFrames, onFrame, onEnd }: RunParts): Run {
  const state = signal<RunState>({ kind: "idle" });

  async function start(plan: RunPlan): Promise<void> {
    const { kind } = state.peek();
    if (kind === "running" || kind === "stopping") throw new Error("a run is in progress: pause it first");
    const total = plan.direction === "both" ? numFrames : Math.abs(plan.end - plan.start) + 1;
    let numDone = 0;
    let frame = plan.start;
    let first = plan.start;
    let last = plan.start;
    const show = () => {
      if (state.peek().kind === "stopping") return;
      state.value = { kind: "running", plan, frame, first, last, numDone, numFrames: total };
    };
    state.value = { kind: "idle" };
    show();
    let wasPaused = false;
    try {
      const stream = client.propagate({ ...fieldsOf(plan), mask_format: "binary" });
      for (;;) {
        const { done, value } = await stream.next();
        if (done) {
          wasPaused = value.cancelled;
          break;
        }
        frame = value.frame_index;
        first = Math.min(first, frame);
        last = Math.max(last, frame);
        numDone++;
        onFrame(frameResultOf(value), plan.objectIds);
        show();
      }
    } finally {
      const rest = wasPaused && numDone > 0 ? restOf(plan, frame, numFrames) : wasPaused ? plan : undefined;
      state.value = rest ? { kind: "paused", rest } : { kind: "idle" };
      await onEnd();
    }
  }

  return {
    state,
    start,
    async pause() {
      if (state.peek().kind !== "running") return;
      state.value = { kind: "stopping" };
      await client.cancel();
    },
    async resume() {
      const current = state.peek();
      if (current.kind === "paused") await start(current.rest);
    },
    forget() {
      if (state.peek().kind === "paused") state.value = { kind: "idle" };
    },
  };
}
