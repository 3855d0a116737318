/**
 * The sides of an object. Absent frames, and frames on which the user swapped the object with another one, divide the video.
 * Each side is tracked from its own prompts, or from all prompts when it has none.
 */
import type { BankSnapshot } from "../../memory/bank.js";
import { contentWhere } from "../../memory/exchange.js";
import { hasFrame } from "../frame-set.js";
import type { Masklet } from "../masklet.js";
import type { TrackerParts } from "../parts.js";

type Divided = Pick<Masklet, "absent" | "cuts">;

/**
 * Prepares the objects that enter another side on a frame, and those that are absent on it: nothing is known about their
 * motion, and a crossing that began on the other side has ended.
 */
export function crossSides(parts: TrackerParts, frameIndex: number): void {
  const { registry, pass } = parts;
  const previous = pass.reverse ? frameIndex + 1 : frameIndex - 1;
  const entered = new Set<number>();
  for (const masklet of registry.all()) {
    const isAbsent = hasFrame(masklet.absent, frameIndex);
    const isCut = masklet.cuts.includes(Math.max(frameIndex, previous));
    if (!isAbsent && !isCut) continue;
    entered.add(masklet.id);
    Object.assign(masklet, { state: "lost", motion: null } satisfies Partial<Masklet>);
    if (isAbsent) masklet.hiddenFrame = frameIndex;
  }
  const isOpen = (id: number) => !entered.has(id);
  if (pass.crossings.some(({ anchors }) => ![...anchors.keys()].every(isOpen)))
    parts.pass = {
      ...pass,
      crossings: pass.crossings.filter(({ anchors }) => [...anchors.keys()].every(isOpen)),
    };
}

/** The memories that may condition an object on a frame: those of the frame's side, or all of them when it has no prompt. */
export function usableMemories(
  { bank, absent, cuts }: Pick<Masklet, "bank"> & Divided,
  frameIndex: number,
): BankSnapshot {
  if (absent.length === 0 && cuts.length === 0) return bank;
  const side = sideOf({ absent, cuts }, frameIndex);
  const isOnSide = (index: number) => index >= side[0] && index <= side[1];
  const isPrompted = bank.conditioning.some(
    (entry) => entry.kind !== "reconditioned" && isOnSide(entry.frameIndex),
  );
  return contentWhere(bank, isPrompted ? isOnSide : (index) => !hasFrame(absent, index));
}

/** The frames around a frame up to the next division; empty on an absent frame. */
function sideOf({ absent, cuts }: Divided, frameIndex: number): readonly [first: number, last: number] {
  if (hasFrame(absent, frameIndex)) return [frameIndex, frameIndex - 1];
  const before = absent.filter(([, last]) => last < frameIndex).at(-1);
  const after = absent.find(([first]) => first > frameIndex);
  const cutBefore = cuts.filter((cut) => cut <= frameIndex).at(-1) ?? 0;
  const cutAfter = cuts.find((cut) => cut > frameIndex) ?? Number.POSITIVE_INFINITY;
  return [
    Math.max((before?.[1] ?? -1) + 1, cutBefore),
    Math.min(after?.[0] ?? Number.POSITIVE_INFINITY, cutAfter) - 1,
  ];
}
