/** Commands that move through an open video and run the tracker. */
import type { Command } from "../app/commands.js";
import { messageOf } from "../app/message-of.js";
import { notify } from "../app/notices.js";
import { countFrames } from "../timeline/lane-states.js";
import type { OpenSession } from "./open-session.js";
import { play } from "./player.js";
import type { RunPlan } from "./run.js";

export function sessionCommands(session: OpenSession): Command[] {
  const { frame, runner, isPlaying, follow, prompts, facts } = session;
  const last = session.video.num_frames - 1;
  const goTo = (target: number) => {
    follow.value = false;
    isPlaying.value = false;
    frame.value = Math.min(last, Math.max(0, target));
  };
  const see = (id: string, title: string, keys: readonly string[], run: () => void): Command => ({
    ...{ id, title, keys, run },
    group: "See",
    enabled: () => true,
  });
  const isIdle = () => ["idle", "paused"].includes(runner.state.value.kind);
  const canRun = () => isIdle() && (facts.value.obj_ids.length > 0 || facts.value.concepts.length > 0);
  const runCommandOf = (
    id: string,
    title: string,
    keys: readonly string[],
    plan: () => RunPlan | undefined,
  ): Command => ({
    ...{ id, title, keys },
    group: "Run",
    enabled: canRun,
    run: () => {
      const made = plan();
      return made && track(session, made);
    },
  });
  /** The prompted frame that is nearest to the frame on the stage. */
  const nearestPrompt = (): number | undefined => {
    const here = frame.peek();
    const frames = prompts
      .peek()
      .map((mark) => mark.frame)
      .filter((at) => at !== here);
    return frames.sort((a, b) => Math.abs(a - here) - Math.abs(b - here))[0];
  };
  return [
    see("play", "Play or stop", ["Space"], () => {
      if (isPlaying.peek()) isPlaying.value = false;
      else void play(session);
    }),
    see("previous-frame", "Previous frame", ["ArrowLeft", ","], () => goTo(frame.peek() - 1)),
    see("next-frame", "Next frame", ["ArrowRight", "."], () => goTo(frame.peek() + 1)),
    see("back-10", "10 frames back", ["Shift+ArrowLeft", "PageUp"], () => goTo(frame.peek() - 10)),
    see("ahead-10", "10 frames ahead", ["Shift+ArrowRight", "PageDown"], () => goTo(frame.peek() + 10)),
    see("first-frame", "First frame", ["Home"], () => goTo(0)),
    see("last-frame", "Last frame", ["End"], () => goTo(last)),
    runCommandOf("run-both", "Track in both directions", ["Ctrl+Enter"], () => ({
      ...{ direction: "both", scope: "all", end: last },
      start: Math.min(frame.peek(), last),
    })),
    runCommandOf("run-forward", "Track forward from here", ["F"], () => ({
      ...{ direction: "forward", scope: "all", end: last },
      start: frame.peek(),
    })),
    runCommandOf("run-backward", "Track backward from here", ["Shift+F"], () => ({
      ...{ direction: "backward", scope: "all", end: 0 },
      start: frame.peek(),
    })),
    runCommandOf("run-to-here", "Track from the nearest prompt to here", ["K"], () => {
      const start = nearestPrompt();
      if (start === undefined) {
        notify({
          kind: "info",
          title: "There is no prompt on another frame",
          detail: "Go to the frame up to which the object is to be followed.",
        });
        return undefined;
      }
      const end = frame.peek();
      return { direction: start < end ? "forward" : "backward", scope: "all", start, end };
    }),
    {
      ...{ id: "pause-run", title: "Pause tracking", group: "Run", keys: ["Shift+Space"] },
      enabled: () => runner.state.value.kind === "running",
      run: () => runner.pause(),
    } as Command,
    {
      ...{ id: "resume-run", title: "Continue tracking", group: "Run", keys: ["Shift+Enter"] },
      enabled: () => runner.state.value.kind === "paused",
      run: () => {
        follow.value = true;
        return report(session, runner.resume());
      },
    } as Command,
  ];
}

/** Runs the tracker; the stage follows until the person moves to another frame. */
export async function track(session: OpenSession, plan: RunPlan): Promise<void> {
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
