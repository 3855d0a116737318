/** The checks of edits before they change anything. Each throws a ProtocolError that names the field. */
import { FIELD_LIMITS, ProtocolError, type VideoFacts } from "../../protocol/index.js";
import type { EngineSession } from "../engine/index.js";
import { type Marks, numLocked } from "./marks.js";

export interface EditCheckParts {
  facts: Pick<VideoFacts, "num_frames">;
  engine: Pick<EngineSession, "describe" | "rules">;
  results: { marks: Marks };
  isPropagating(): boolean;
}

/** An id of a request and the field that contains it. */
export type IdField = readonly [field: string, id: number];

export function createEditChecks({ facts, engine, results: { marks }, isPropagating }: EditCheckParts) {
  function checkIdle(): void {
    if (!isPropagating()) return;
    throw new ProtocolError(
      "propagation_in_progress",
      "This session is propagating; objects can be edited when it has ended or was cancelled.",
    );
  }

  function checkFrame(field: string, frameIndex: number): void {
    if (frameIndex < facts.num_frames) return;
    const message = `${field}: expected 0..${facts.num_frames - 1}, got ${frameIndex}`;
    throw new ProtocolError("frame_out_of_range", message, field);
  }

  function checkRange(range: { first_frame_index: number; last_frame_index: number }): void {
    checkFrame("first_frame_index", range.first_frame_index);
    checkFrame("last_frame_index", range.last_frame_index);
  }

  function checkMasks(): void {
    if (engine.rules.pack.capabilities.maskSeed) return;
    throw new ProtocolError(
      "unsupported_by_pack",
      "This model pack cannot start from a mask, which this edit requires.",
    );
  }

  /** @throws ProtocolError object_not_found */
  async function checkObjects(ids: readonly IdField[]): Promise<number[]> {
    const { objectIds } = await engine.describe();
    for (const [field, id] of ids) {
      if (objectIds.includes(id)) continue;
      const known = objectIds.length > 0 ? objectIds.join(", ") : "no object";
      throw new ProtocolError("object_not_found", `${field}: expected one of ${known}, got ${id}`, field);
    }
    return objectIds;
  }

  function checkRoom(added: number, objectIds: readonly number[]): void {
    const present = objectIds.reduce((sum, id) => sum + numLocked(marks, id), 0);
    const limit = FIELD_LIMITS.masksPerLock.value;
    if (present + added <= limit) return;
    throw new ProtocolError(
      "invalid_field",
      `last_frame_index: expected at most ${limit} locked masks in a session, got ${present} and ${added} more`,
      "last_frame_index",
    );
  }

  return { checkIdle, checkFrame, checkRange, checkMasks, checkObjects, checkRoom };
}

/** @throws ProtocolError invalid_field when an object is named twice */
export function checkDifferent(ids: readonly IdField[]): void {
  const repeated = ids.find(([, id], index) => ids.findIndex(([, other]) => other === id) < index);
  if (!repeated) return;
  const [field, id] = repeated;
  throw new ProtocolError("invalid_field", `${field}: expected different objects, got ${id} twice`, field);
}
