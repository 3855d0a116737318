/** Commands that compare the masks before and after a correction. */
import type { Command } from "../app/commands.js";
import type { OpenSession } from "./open-session.js";

export function compareCommands({
  comparison,
  frame,
  shownFrame,
  follow,
  isPlaying,
}: OpenSession): Command[] {
  const next = (step: 1 | -1) => {
    const frames = comparison.changed.value;
    return step === 1
      ? frames.find((one) => one > shownFrame.value)
      : frames.findLast((one) => one < shownFrame.value);
  };
  const walk = (id: string, title: string, key: string, step: 1 | -1): Command => ({
    ...{ id, title, group: "See", keys: [key] },
    enabled: () => next(step) !== undefined,
    run() {
      follow.value = false;
      isPlaying.value = false;
      frame.value = next(step) ?? frame.peek();
    },
  });
  return [
    {
      ...{ id: "show-before", title: "Before or after the correction", group: "See", keys: ["Z"] },
      enabled: () => comparison.changed.value.length > 0,
      run: () => {
        comparison.showsBefore.value = !comparison.showsBefore.peek();
      },
    },
    walk("next-changed", "Next changed frame", "U", 1),
    walk("previous-changed", "Previous changed frame", "Shift+U", -1),
  ];
}
