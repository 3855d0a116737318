/** Commands that run the tracker. */
import type { Command } from "../app/commands.js";
import { messageOf } from "../app/message-of.js";
import { notify } from "../app/notices.js";
import { countFrames, FLAG, type LaneStates, STATE } from "../timeline/lane-states.js";
import type { OpenSession } from "./open-session.js";
import type { RunPlan } from "./run.js";

export function runCommands(session: OpenSession): Command[] {
  const { frame, runner, follow, facts, selected, runsSelected, results } = session;
  const last = session.video.num_frames - 1;
  const isIdle = () => ["idle", "paused"].includes(runner.state.value.kind);
  const canRun = () =>
    isIdle() &&
    (facts.value.obj_ids.length > 0 || facts.value.concepts.length > 0) &&
    !(runsSelected.value && selected.value.size === 0);
  const only = (): Pick<RunPlan, "objectIds"> =>
    runsSelected.peek() ? { objectIds: [...selected.peek()] } : {};
  const command = (
    id: string,
    title: string,
    keys: readonly string[],
    plan: () => Pick<RunPlan, "direction" | "start" | "end"> | undefined,
  ): Command => ({
    ...{ id, title, keys },
    group: "Run",
    enabled: canRun,
    run: () => {
      const range = plan();
      return range && track(session, { ...range, ...only(), scope: "all" });
    },
  });

  /** From the nearest prompt of the objects that run. Objects of phrases have none: from their nearest mask. */
  function toHere(): Pick<RunPlan, "direction" | "start" | "end"> | undefined {
    const end = frame.peek();
    const ids = runsSelected.peek() ? [...selected.peek()] : facts.peek().obj_ids;
    const lanes = ids.map((id) => results.states.of(id));
    const start =
      nearest(lanes, end, ({ flags }, at) => ((flags[at] as number) & FLAG.prompt) !== 0) ??
      nearest(lanes, end, ({ state }, at) => state[at] === STATE.present);
    if (start === undefined) {
      notify({
        kind: "info",
        title: "There is no prompt on another frame",
        detail: "Go to the frame up to which the object is to be followed.",
      });
      return undefined;
    }
    return { direction: start < end ? "forward" : "backward", start, end };
  }

  return [
    {
      ...{ id: "run-selected", title: "Run only the selected objects", group: "Run", keys: ["S"] },
      enabled: () => facts.value.obj_ids.length > 0,
      run: () => {
        runsSelected.value = !runsSelected.peek();
      },
    },
    command("run-both", "Track in both directions", ["Ctrl+Enter"], () => ({
      ...{ direction: "both", end: last },
      start: Math.min(frame.peek(), last),
    })),
    command("run-forward", "Track forward from here", ["F"], () => ({
      ...{ direction: "forward", end: last },
      start: frame.peek(),
    })),
    command("run-backward", "Track backward from here", ["Shift+F"], () => ({
      ...{ direction: "backward", end: 0 },
      start: frame.peek(),
    })),
    command("run-to-here", "Track from the nearest prompt to here", ["K"], toHere),
    {
      ...{ id: "pause-run", title: "Pause tracking", group: "Run", keys: ["Shift+Space"] },
      enabled: () => runner.state.value.kind === "running",
      run: () => runner.pause(),
    },
    {
      ...{ id: "resume-run", title: "Continue tracking", group: "Run", keys: ["Shift+Enter"] },
      enabled: () => runner.state.value.kind === "paused",
      run: () => {
        follow.value = true;
        return report(session, runner.resume());
      },
    },
  ];
}

/** The nearest other frame on which one of the lanes passes the test. */
export function nearest(
  lanes: readonly LaneStates[],
  from: number,
  passes: (lane: LaneStates, frame: number) => boolean,
): number | undefined {
  const numFrames = lanes[0]?.state.length ?? 0;
  for (let distance = 1; distance < numFrames; distance++) {
    for (const frame of [from - distance, from + distance]) {
      if (frame < 0 || frame >= numFrames) continue;
      if (lanes.some((lane) => passes(lane, frame))) return frame;
    }
  }
  return undefined;
}

/** Runs the tracker; the stage follows until the person moves to another frame. */
async function track(session: OpenSession, plan: RunPlan): Promise<void> {
  session.isPlaying.value = false;
  session.follow.value = true;
  await report(session, session.runner.start(plan));
}

async function report(session: OpenSession, run: Promise<void>): Promise<void> {
  try {
    await run;
  } catch (error) {
    const stale = countFrames([...session.stale.peek().values()].flat());
    notify({
      kind: "error",
      title: "Tracking has stopped",
      detail: `${messageOf(error)} The frames that were computed stay.${stale > 0 ? " Track again to go on." : ""}`,
    });
  }
}
