/** Exchanges the identities of two objects from a frame on, as after a crossing that the tracker resolved wrongly. */
import { divideContent, joinContents } from "../../memory/exchange.js";
import { addFrames, type FrameSet } from "../frame-set.js";
import { keepPrompt, type Masklet } from "../masklet.js";
import type { TrackerParts } from "../parts.js";
import { PromptError } from "../prompts.js";
import { confirm } from "../sam3/history.js";
import { divideFrames } from "./absence.js";
import type { Edit } from "./edit.js";
import { objectOf } from "./objects.js";

export function swap(
  parts: TrackerParts,
  { objectId, otherId, frameIndex }: Extract<Edit, { kind: "swap" }>,
): void {
  const masklet = objectOf(parts, objectId);
  if (objectId === otherId) {
    throw new PromptError(
      "invalid_field",
      `other_obj_id: expected another object than ${objectId}.`,
      "other_obj_id",
    );
  }
  const other = objectOf(parts, otherId, "other_obj_id");
  const [own, theirs] = [partsFrom(masklet, frameIndex), partsFrom(other, frameIndex)];
  adopt(masklet, own.before, theirs.after);
  adopt(other, theirs.before, own.after);
  for (const one of [masklet, other]) {
    one.cuts = [...new Set([...one.cuts, frameIndex])].sort((a, b) => a - b);
    confirm(parts.history, one.id);
  }
}

/** What an object has before a frame and from it on. */
function partsFrom({ bank, prompts, locks, absent, cuts }: Masklet, frameIndex: number) {
  const content = divideContent(bank.snapshot(), frameIndex);
  const frames = divideFrames(absent, frameIndex);
  const divide = <V>(entries: ReadonlyMap<number, V>) => ({
    before: [...entries].filter(([index]) => index < frameIndex),
    after: [...entries].filter(([index]) => index >= frameIndex),
  });
  const [clicks, locked] = [divide(prompts), divide(locks)];
  const half = (side: "before" | "after") => ({
    content: content[side],
    prompts: clicks[side],
    locks: locked[side],
    absent: frames[side],
    cuts: cuts.filter((cut) => (side === "before") === cut < frameIndex),
  });
  return { before: half("before"), after: half("after") };
}

type Half = ReturnType<typeof partsFrom>["before"];

function adopt(masklet: Masklet, before: Half, after: Half): void {
  masklet.bank.replace(joinContents(before.content, after.content));
  masklet.prompts.clear();
  for (const [index, prompt] of [...before.prompts, ...after.prompts]) keepPrompt(masklet, index, prompt);
  Object.assign(masklet, {
    locks: new Map([...before.locks, ...after.locks]),
    absent: after.absent.reduce<FrameSet>(addFrames, before.absent),
    cuts: [...before.cuts, ...after.cuts],
    confirmed: true,
    motion: null,
  } satisfies Partial<Masklet>);
}
