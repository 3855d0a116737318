/** The memories that remain for a frame after corrections; see `corrections.ts`. */
import type { BankSnapshot } from "../memory/bank.js";
import type { KeptPrompt } from "./masklet.js";

/**
 * Leaves out the memories that a correction next to the frame overrules: conditioning memories of older prompts and of
 * detections on the other side, and tracked memories beyond the correction.
 * @param prompts by frame index, in the order in which they were given
 */
export function withoutOverruled(
  content: BankSnapshot,
  prompts: ReadonlyMap<number, Pick<KeptPrompt, "overrules">>,
  frameIndex: number,
): BankSnapshot {
  const order = [...prompts.keys()];
  const before = nearest(
    order.filter((index) => index <= frameIndex),
    Math.max,
  );
  const after = nearest(
    order.filter((index) => index > frameIndex),
    Math.min,
  );
  const overrules = (index: number | null): index is number =>
    index !== null && prompts.get(index)?.overrules === true;
  const corrections = [before, after].filter(overrules);
  if (corrections.length === 0) return content;
  const first = overrules(before) ? before : Number.NEGATIVE_INFINITY;
  const last = overrules(after) ? after : Number.POSITIVE_INFINITY;
  const isWithin = ({ frameIndex: index }: { frameIndex: number }) => index >= first && index <= last;
  const conditioning = content.conditioning.filter((entry) => {
    if (entry.kind === "reconditioned") return isWithin(entry);
    const rank = order.indexOf(entry.frameIndex);
    return corrections.every((index) => index === entry.frameIndex || order.indexOf(index) < rank);
  });
  // The memory of the correction may have been dropped; see `MemoryBank`.
  if (conditioning.length === 0) return content;
  return {
    conditioning,
    recent: content.recent.filter(isWithin),
    pointers: content.pointers.filter(isWithin),
  };
}

function nearest(indices: readonly number[], pick: (...values: number[]) => number): number | null {
  return indices.length === 0 ? null : pick(...indices);
}
