/** The requests `undo` and `redo`. */
import { type AnswerOf, ProtocolError } from "../../protocol/index.js";
import { toAffected } from "./affected.js";
import type { EditLog } from "./edit-log.js";

/**
 * Takes back the last edit, or carries it out again.
 * @param endPropagation ends a running propagation: it would go on from the state that is replaced
 * @throws ProtocolError nothing_to_undo
 */
export async function stepThroughEdits(
  edits: EditLog,
  step: "undo" | "redo",
  endPropagation: () => void,
): Promise<AnswerOf<"undo">> {
  const isPossible = step === "undo" ? edits.canUndo : edits.canRedo;
  if (isPossible) endPropagation();
  const edit = isPossible ? await edits[step]() : undefined;
  if (!edit) throw new ProtocolError("nothing_to_undo", `${step}: this session has no edit to ${step}.`);
  const { canUndo, canRedo } = edits;
  return { edit: edit.name, affected: toAffected(edit.affected), can_undo: canUndo, can_redo: canRedo };
}
