/** Commands that move along the timeline and choose a range. */
import type { Command } from "./command.js";
import { rangeOf } from "./lane-states.js";
import type { TimelineModel } from "./model.js";
import { findLandmark, type Landmark } from "./walk.js";

export interface WalkNotice {
  kind: "info";
  title: string;
}

const WALKS: readonly [kind: Landmark, title: string, key: string][] = [
  ["suspect", "suspect frame", "N"],
  ["prompt", "prompt", "J"],
  ["change", "change of an object", "V"],
];

/** @param notify receives a notice when there is nothing in the direction */
export function timelineCommands(model: TimelineModel, notify: (notice: WalkNotice) => void): Command[] {
  const { frame, lanes, selected, range } = model;

  function walk(kind: Landmark, title: string, step: 1 | -1): void {
    // Suspects of all objects; prompts and changes of the chosen objects, if there are any.
    const chosen = lanes.value.filter(({ id }) => selected.value.has(id));
    const searched = kind === "suspect" || chosen.length === 0 ? lanes.value : chosen;
    const found = findLandmark(searched, kind, frame.value, step);
    if (!found) {
      notify({ kind: "info", title: `No ${title} ${step === 1 ? "after" : "before"} frame ${frame.value}` });
      return;
    }
    frame.value = found.frame;
    if (kind === "suspect") selected.value = new Set([found.objectId]);
  }

  const hasLanes = () => lanes.value.length > 0;
  const walks = WALKS.flatMap(([kind, title, key]): Command[] => [
    {
      id: `next-${kind}`,
      title: `Next ${title}`,
      group: "See",
      keys: [key],
      enabled: hasLanes,
      run: () => walk(kind, title, 1),
    },
    {
      id: `previous-${kind}`,
      title: `Previous ${title}`,
      group: "See",
      keys: [`Shift+${key}`],
      enabled: hasLanes,
      run: () => walk(kind, title, -1),
    },
  ]);
  return [
    ...walks,
    {
      id: "range-start",
      title: "Range starts here",
      group: "See",
      keys: ["I"],
      enabled: () => true,
      run: () => {
        const last = range.value?.last ?? frame.value;
        range.value = { first: frame.value, last: Math.max(frame.value, last) };
      },
    },
    {
      id: "range-end",
      title: "Range ends here",
      group: "See",
      keys: ["O"],
      enabled: () => true,
      run: () => {
        range.value = rangeOf(Math.min(range.value?.first ?? frame.value, frame.value), frame.value);
      },
    },
    {
      id: "range-clear",
      title: "Clear the range",
      group: "See",
      keys: ["Shift+Escape"],
      enabled: () => range.value !== undefined,
      run: () => {
        range.value = undefined;
      },
    },
  ];
}
