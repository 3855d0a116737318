/** Splits an object in time: from a frame on, it is another object. */
import { divideContent } from "../../memory/exchange.js";
import { addFrames } from "../frame-set.js";
import { keepPrompt, type Masklet } from "../masklet.js";
import type { TrackerParts } from "../parts.js";
import { objectLimit, PromptError } from "../prompts.js";
import { confirm } from "../sam3/history.js";
import { divideFrames, LAST_FRAME } from "./absence.js";
import type { Edit } from "./edit.js";
import { objectOf } from "./objects.js";

/**
 * The object is absent from the frame on, and the new one before it, so that no pass tracks both. A later prompt brings
 * either of them back.
 * @returns the id of the new object
 */
export function split(
  parts: TrackerParts,
  { objectId, newObjectId, frameIndex }: Extract<Edit, { kind: "split" }>,
): number {
  const { registry, policy } = parts;
  const masklet = objectOf(parts, objectId);
  const known = newObjectId === undefined ? undefined : registry.get(newObjectId);
  if (known && !known.excluded) {
    throw new PromptError(
      "invalid_field",
      `new_obj_id: expected an id without an object, got ${newObjectId}, which exists.`,
      "new_obj_id",
    );
  }
  if (registry.isFull()) throw objectLimit(policy.life.maxNumObjects);
  const { conceptKey, prob, owned, age, supported, confident } = masklet;
  const birth = { conceptKey, prob, bornFrame: frameIndex, motion: null, confirmed: true };
  const created = registry.create(birth, newObjectId);
  Object.assign(created, { owned, age, supported, confident } satisfies Partial<Masklet>);
  divide(masklet, created, frameIndex);
  for (const { id } of [masklet, created]) confirm(parts.history, id);
  return created.id;
}

function divide(masklet: Masklet, created: Masklet, frameIndex: number): void {
  const content = divideContent(masklet.bank.snapshot(), frameIndex);
  const absent = divideFrames(masklet.absent, frameIndex);
  for (const [index, prompt] of [...masklet.prompts]) {
    if (index < frameIndex) continue;
    masklet.prompts.delete(index);
    keepPrompt(created, index, prompt);
  }
  created.bank.replace(content.after);
  created.absent = frameIndex > 0 ? addFrames(absent.after, [0, frameIndex - 1]) : absent.after;
  created.locks = new Map([...masklet.locks].filter(([index]) => index >= frameIndex));
  created.cuts = masklet.cuts.filter((cut) => cut > frameIndex);
  masklet.cuts = masklet.cuts.filter((cut) => cut < frameIndex);
  masklet.bank.replace(content.before);
  masklet.absent = addFrames(absent.before, [frameIndex, LAST_FRAME]);
  masklet.locks = new Map([...masklet.locks].filter(([index]) => index < frameIndex));
  Object.assign(masklet, { confirmed: true, motion: null } satisfies Partial<Masklet>);
}
