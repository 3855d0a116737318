/** Commands that move through an open video, and those that run the tracker. */
import type { Command } from "../app/commands.js";
import { compareCommands } from "./compare-commands.js";
import type { OpenSession } from "./open-session.js";
import { play } from "./player.js";
import { runCommands } from "./run-commands.js";

export function sessionCommands(session: OpenSession): Command[] {
  const { frame, isPlaying, follow } = session;
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
    ...runCommands(session),
    ...compareCommands(session),
  ];
}
