/** A tracking session over the scripted graphs of `trace-bench.ts`, with the output that a client receives. */
import type { FrameOutput } from "../../server/engine/engine.js";
import type { PolicyOverrides } from "../../tracker/policy.js";
import type { PresetName } from "../../tracker/presets.js";
import { createTrackingSession } from "../../tracker/tracking-session.js";
import { createVideoTracker } from "../../tracker/video-tracker.js";
import { createTraceBench, frame, type Rect, type Script, SIDE } from "./trace-bench.js";

export const video = { width: 40, height: 20 };

export interface Shown {
  frames: number[];
  ids: number[][];
  /** For each shown frame, the number of steps before it was shown. */
  lag: number[];
}

export function openTraceSession(
  script: Script,
  preset: PresetName,
  numFrames: number,
  overrides: PolicyOverrides = {},
) {
  const bench = createTraceBench(script, preset, overrides, numFrames);
  const { policy } = bench.options;
  const tracker = createVideoTracker(bench.options);
  const session = createTrackingSession({
    tracker,
    policy,
    run: bench.options.run,
    m: SIDE,
    video,
    numFrames,
  });
  const prompt = session.prompt.bind(session);

  async function propagate(frames: readonly number[], startFrame: number | null = null): Promise<Shown> {
    const shown: Shown = { frames: [], ids: [], lag: [] };
    const [firstFrame, lastFrame] = [frames[0] ?? 0, frames.at(-1) ?? 0];
    const reverse = firstFrame > lastFrame;
    const { mode } = await session.beginPropagation({ reverse, firstFrame, lastFrame, startFrame });
    for (const [place, index] of frames.entries()) {
      const outputs = mode === "fetch" ? [session.fetch(index)] : await session.step(frame(index));
      for (const output of outputs) {
        shown.frames.push(output.frameIndex);
        shown.ids.push(idsOf(output));
        shown.lag.push(place + 1);
      }
    }
    return shown;
  }
  return {
    session,
    tracker,
    propagate,
    promptPhrase: (index: number) => prompt(frame(index), { kind: "concept", text: "shape", replace: false }),
    promptBox: (index: number, [x, y, w, h]: Rect) =>
      prompt(frame(index), {
        kind: "concept",
        replace: false,
        exemplars: { boxesXywh: [[x / SIDE, y / SIDE, w / SIDE, h / SIDE]], labels: [1] },
      }),
    click: (index: number, objectId: number, leavesOutOthers = false) =>
      prompt(frame(index), {
        kind: "object",
        objectId,
        points: [[0.3, 0.3]],
        labels: [1],
        clearOldPoints: true,
        clearOldBoxes: true,
        leavesOutOthers,
      }),
    modes: () => session.history.map(({ kind }) => kind),
    /** Number of calls of the `track` and `detect` graphs so far. */
    countModelCalls: () => bench.calls.filter(({ role }) => role === "track" || role === "detect").length,
  };
}

export function idsOf({ objects }: FrameOutput): number[] {
  return objects.map(({ objectId }) => objectId);
}
