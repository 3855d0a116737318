/** Merges objects: one of them gets the frames and the memories of the others. */
import { uniteContents } from "../../memory/exchange.js";
import { uniteMasks } from "../../protocol/rle.js";
import { commonFrames } from "../frame-set.js";
import { keepPrompt, type Masklet } from "../masklet.js";
import type { TrackerParts } from "../parts.js";
import { PromptError } from "../prompts.js";
import { confirm, forgetDeleted } from "../sam3/history.js";
import type { Edit } from "./edit.js";
import { objectOf } from "./objects.js";

/**
 * The merged object is absent only where all of them are.
 * @returns ids of the objects that no longer exist
 */
export function merge(
  parts: TrackerParts,
  { objectId, otherIds, locks }: Extract<Edit, { kind: "merge" }>,
): number[] {
  const masklet = objectOf(parts, objectId);
  const others = otherIds.map((id, index) => {
    const field = `other_obj_ids[${index}]`;
    if (id === objectId || otherIds.indexOf(id) < index) {
      throw new PromptError("invalid_field", `${field}: expected different objects, got ${id} twice.`, field);
    }
    return objectOf(parts, id, field);
  });
  for (const other of others) absorb(masklet, other);
  masklet.locks = new Map(locks.map(({ frameIndex, mask, prob }) => [frameIndex, { mask, prob }]));
  confirm(parts.history, objectId);
  for (const { id } of others) parts.registry.delete(id);
  forgetDeleted(parts.history, parts.registry);
  return others.map(({ id }) => id);
}

function absorb(masklet: Masklet, other: Masklet): void {
  masklet.bank.replace(uniteContents(masklet.bank.snapshot(), other.bank.snapshot()));
  for (const [frameIndex, prompt] of other.prompts) {
    const own = masklet.prompts.get(frameIndex);
    if (!own) keepPrompt(masklet, frameIndex, prompt);
    else if (own.mask && prompt.mask)
      keepPrompt(masklet, frameIndex, { ...own, mask: uniteMasks([own.mask, prompt.mask]) });
  }
  Object.assign(masklet, {
    prob: Math.max(masklet.prob, other.prob),
    // Detections of a part would reduce the united mask to that part.
    owned: true,
    confirmed: true,
    absent: commonFrames(masklet.absent, other.absent),
    cuts: [...new Set([...masklet.cuts, ...other.cuts])].sort((a, b) => a - b),
    state: "seen",
    lostFrames: 0,
    motion: null,
  } satisfies Partial<Masklet>);
}
