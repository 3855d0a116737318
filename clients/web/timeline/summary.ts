/** What a screen reader reads for a lane, and what a tooltip shows for a frame of it. */
import { countText } from "../app/count-text.js";
import { FLAG, type FrameRange, type LaneStates, runsOf, STATE, type StateName } from "./lane-states.js";

const STATE_TEXT: Record<StateName, string> = {
  none: "not computed",
  present: "present",
  occluded: "occluded",
  lost: "lost",
  absent: "marked absent",
};
const NAME_OF = Object.fromEntries(Object.entries(STATE).map(([name, value]) => [value, name])) as Record<
  number,
  StateName
>;

/** At most this many ranges are read; more are counted. */
const MAX_RANGES = 3;

export function laneSummary(name: string, states: LaneStates): string {
  const { state, flags } = states;
  const parts: string[] = [];
  const count = state.filter((value) => value === STATE.present).length;
  parts.push(`present on ${count} of ${countText(state.length, "frame")}`);
  for (const kind of ["occluded", "lost", "absent"] as const) {
    const ranges = runsOf(state, (value) => value === STATE[kind]);
    if (ranges.length > 0) parts.push(`${STATE_TEXT[kind]} on ${rangesText(ranges)}`);
  }
  const suspects = flags.filter((value) => (value & FLAG.suspect) !== 0).length;
  if (suspects > 0) parts.push(countText(suspects, "suspect frame"));
  const locked = runsOf(flags, (value) => (value & FLAG.locked) !== 0);
  if (locked.length > 0) parts.push(`locked on ${rangesText(locked)}`);
  const prompts = flags.filter((value) => (value & FLAG.prompt) !== 0).length;
  if (prompts > 0) parts.push(`prompts on ${countText(prompts, "frame")}`);
  return `${name}: ${parts.join(", ")}`;
}

export function rangesText(ranges: readonly FrameRange[]): string {
  const shown = ranges.slice(0, MAX_RANGES).map(rangeText).join(" and ");
  const others = ranges.length - MAX_RANGES;
  return others > 0 ? `${shown} and ${countText(others, "more range")}` : shown;
}

export const rangeText = ({ first, last }: FrameRange): string =>
  first === last ? `frame ${first}` : `frames ${first} to ${last}`;

/** `present, score 0.93, suspect (position_jump), locked`. */
export function frameSummary(states: LaneStates, frame: number, reason?: string): string {
  const state = states.state[frame] as number;
  const flags = states.flags[frame] as number;
  const parts = [STATE_TEXT[NAME_OF[state] ?? "none"]];
  if (state === STATE.present) parts.push(`score ${((states.score[frame] as number) / 255).toFixed(2)}`);
  if (flags & FLAG.suspect) parts.push(reason ? `suspect: ${reason.replaceAll("_", " ")}` : "suspect");
  if (flags & FLAG.locked) parts.push("locked");
  if (flags & FLAG.prompt) parts.push("prompt");
  if (flags & FLAG.corrected) parts.push("corrected");
  return parts.join(", ");
}
