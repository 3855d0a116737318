/**
 * The edits of one session: lock, absent, merge, split, swap, rename, remove a concept. An edit changes the engine first; if
 * the engine rejects it, nothing has changed. Stored results change with the edit, so that they need not be computed again.
 */
import {
  type AnswerOf,
  type EditRequest,
  ProtocolError,
  type RequestOf,
  type VideoFacts,
} from "../../protocol/index.js";
import {
  type Edit,
  type EditAnswer,
  type EngineFrame,
  type EngineSession,
  rewrittenStretch,
} from "../engine/index.js";
import { type Affected, toAffected } from "../results/affected.js";
import type { SessionResults } from "../results/session-results.js";
import { staleSides } from "./absence.js";
import { checkDifferent, createEditChecks } from "./checks.js";
import { renumberFrames, renumbering, renumberStale } from "./identities.js";
import { lockedFrames, numLocked } from "./marks.js";
import { rewriteFrame } from "./rewrite-frame.js";
import { commonMasks, findMask, masksToLock, nearestSight, type StoredMask } from "./stored-masks.js";

export interface SessionEditsParts {
  facts: Pick<VideoFacts, "num_frames">;
  engine: Pick<EngineSession, "edit" | "anchor" | "describe" | "rules">;
  results: SessionResults;
  /** Decodes a frame at the size of the model's input. */
  frame(frameIndex: number): Promise<EngineFrame>;
  isPropagating(): boolean;
  /** Records the edit for `undo`, after the engine has carried it out and before anything else changes. */
  record(name: EditRequest["type"], affected: readonly Affected[]): void;
}

export interface SessionEdits {
  /** Must not run beside another request of the session. */
  carryOut<R extends EditRequest>(request: R): Promise<AnswerOf<R["type"]>>;
}

/** Frames of a merged object whose memories are encoded again from the united masks. */
const MAX_UNITED_ANCHORS = 16;

type Handlers = { [T in EditRequest["type"]]: (request: RequestOf<T>) => Promise<AnswerOf<T>> };

export function createSessionEdits(parts: SessionEditsParts): SessionEdits {
  const { facts, engine, results, frame } = parts;
  const { store, prompts, stale, marks } = results;

  /** The masks of an edit that become conditioning memories, with the pixels of their frames. */
  async function withPixels(
    masks: readonly StoredMask[],
  ): Promise<{ frame: EngineFrame; masks: StoredMask[] }[]> {
    const indices = [...new Set(masks.map(({ frameIndex }) => frameIndex))];
    const anchors: { frame: EngineFrame; masks: StoredMask[] }[] = [];
    for (const index of indices) {
      const own = masks.filter(({ frameIndex }) => frameIndex === index);
      anchors.push({ frame: await frame(index), masks: own });
    }
    return anchors;
  }

  /** Carries out an edit in the engine, then changes everything that the main process keeps about the objects. */
  async function apply(
    name: EditRequest["type"],
    edit: Edit,
    affected: readonly Affected[] = [],
  ): Promise<EditAnswer> {
    const answer = await engine.edit({ edit });
    parts.record(name, affected);
    const stretch = rewrittenStretch(edit);
    if (stretch) {
      const sightOf = nearestSight(store, stretch);
      store.rewrite(stretch, (stored) => rewriteFrame(edit, answer, stored, sightOf));
    }
    const changed = renumbering(edit, answer);
    if (changed) {
      const prompted = prompts.save();
      prompts.restore({ ...prompted, objects: renumberFrames(prompted.objects, changed) });
      stale.restore(renumberStale(stale.save(), changed));
    }
    for (const id of answer.removedIds) {
      prompts.removeObject(id);
      stale.removeObject(id);
    }
    marks.update(answer.objects);
    return answer;
  }

  /** Makes masks conditioning memories after an edit. @param idOf the object that owns the mask of an object now */
  async function anchor(
    anchors: Awaited<ReturnType<typeof withPixels>>,
    idOf: (objectId: number) => number = (id) => id,
  ): Promise<void> {
    for (const { frame, masks } of anchors) {
      const owned = masks.map(({ objectId, mask }) => ({ objectId: idOf(objectId), mask }));
      await engine.anchor({ frame, masks: owned });
      for (const { objectId } of owned) prompts.addObject(frame.index, objectId);
    }
  }

  const { checkIdle, checkFrame, checkRange, checkMasks, checkObjects, checkRoom } = createEditChecks(parts);

  const handlers: Handlers = {
    async lock_frames(request) {
      checkIdle();
      checkRange(request);
      const { obj_id, first_frame_index: first, last_frame_index: last, locked } = request;
      const known = await checkObjects(obj_id === undefined ? [] : [["obj_id", obj_id]]);
      const objectIds = obj_id === undefined ? known : [obj_id];
      const count = () => objectIds.reduce((sum, id) => sum + numLocked(marks, id), 0);
      if (!locked) {
        const before = count();
        await apply("lock_frames", { kind: "unlock", objectIds, firstFrame: first, lastFrame: last });
        return { affected: [], num_masks: before - count() };
      }
      checkMasks();
      const masks = masksToLock(store, obj_id, { first, last });
      checkRoom(masks.length, known);
      await apply("lock_frames", { kind: "lock", masks });
      for (const { frameIndex, objectId } of masks) stale.computed(frameIndex, new Set([objectId]));
      return { affected: [], num_masks: masks.length };
    },

    async mark_absent(request) {
      checkIdle();
      checkRange(request);
      const { obj_id, first_frame_index: firstFrame, last_frame_index: lastFrame, absent } = request;
      await checkObjects([["obj_id", obj_id]]);
      const prompted = prompts.framesOf(obj_id);
      const stretches = staleSides({
        objectId: obj_id,
        range: { first: firstFrame, last: lastFrame },
        absent,
        prompted: prompted.length > 0 ? prompted : [prompts.firstFrame() ?? 0],
        anchors: marks.anchorsOf(obj_id),
        numFrames: facts.num_frames,
      });
      await apply(
        "mark_absent",
        { kind: "absent", objectId: obj_id, firstFrame, lastFrame, absent },
        stretches,
      );
      stale.add(stretches);
      return { affected: toAffected(stretches) };
    },

    async merge_objects({ obj_id, other_obj_ids }) {
      checkIdle();
      checkMasks();
      const others = other_obj_ids.map((id, index) => [`other_obj_ids[${index}]`, id] as const);
      await checkObjects([["obj_id", obj_id], ...others]);
      checkDifferent([["obj_id", obj_id], ...others]);
      const ids = [obj_id, ...other_obj_ids];
      const common = commonMasks(store, ids);
      const locked = new Set(ids.flatMap((id) => lockedFrames(marks, id)));
      const locks = [...locked].flatMap((frameIndex) => {
        const own =
          common.get(frameIndex) ?? ids.map((id) => store.object(frameIndex, id)).find((one) => one);
        return own ? [{ frameIndex, mask: own.mask, prob: own.prob }] : [];
      });
      const given = new Set([
        ...ids.flatMap((id) => prompts.framesOf(id)),
        ...[...common.keys()].slice(0, 1),
      ]);
      const united = [...given].flatMap((frameIndex) => {
        const own = common.get(frameIndex);
        return own ? [{ ...own, objectId: obj_id, frameIndex }] : [];
      });
      const anchors = await withPixels(united.slice(0, MAX_UNITED_ANCHORS));
      const edit = { kind: "merge", objectId: obj_id, otherIds: other_obj_ids, locks } as const;
      const { removedIds } = await apply("merge_objects", edit);
      await anchor(anchors);
      return { affected: [], removed_obj_ids: [...removedIds] };
    },

    async split_object({ obj_id, frame_index, new_obj_id }) {
      checkIdle();
      checkFrame("frame_index", frame_index);
      checkMasks();
      await checkObjects([["obj_id", obj_id]]);
      const before = findMask(store, obj_id, { first: 0, last: frame_index - 1 }, "last");
      const after = findMask(store, obj_id, { first: frame_index, last: facts.num_frames - 1 }, "first");
      if (!before || !after) {
        const where = before ? `from frame ${frame_index} on` : `before frame ${frame_index}`;
        throw new ProtocolError(
          "mask_not_found",
          `frame_index: expected a frame between stored masks of object ${obj_id}, which has none ${where}`,
          "frame_index",
        );
      }
      const isPromptedBefore = prompts.framesOf(obj_id).some((index) => index < frame_index);
      const anchors = await withPixels(isPromptedBefore ? [after] : [before, after]);
      const edit: Edit = {
        kind: "split",
        objectId: obj_id,
        frameIndex: frame_index,
        ...(new_obj_id !== undefined && { newObjectId: new_obj_id }),
      };
      const { newObjectId } = await apply("split_object", edit);
      const created = newObjectId as number;
      await anchor(anchors.filter(({ frame }) => frame.index < frame_index));
      await anchor(
        anchors.filter(({ frame }) => frame.index >= frame_index),
        () => created,
      );
      return { affected: [], new_obj_id: created };
    },

    async swap_objects({ obj_id, other_obj_id, frame_index }) {
      checkIdle();
      checkFrame("frame_index", frame_index);
      checkMasks();
      await checkObjects([
        ["obj_id", obj_id],
        ["other_obj_id", other_obj_id],
      ]);
      if (obj_id === other_obj_id) {
        const message = `other_obj_id: expected another object than ${obj_id}, got the same`;
        throw new ProtocolError("invalid_field", message, "other_obj_id");
      }
      const later = { first: frame_index, last: facts.num_frames - 1 };
      const masks = [obj_id, other_obj_id].flatMap((id) => findMask(store, id, later, "first") ?? []);
      if (masks.length === 0) {
        throw new ProtocolError(
          "mask_not_found",
          `frame_index: expected a frame before stored masks of object ${obj_id} or ${other_obj_id}; both have none from ` +
            `frame ${frame_index} on`,
          "frame_index",
        );
      }
      const anchors = await withPixels(masks);
      await apply("swap_objects", {
        kind: "swap",
        objectId: obj_id,
        otherId: other_obj_id,
        frameIndex: frame_index,
      });
      await anchor(anchors, (id) => (id === obj_id ? other_obj_id : obj_id));
      return { affected: [] };
    },

    async rename({ obj_id, concept, name = null }) {
      if (obj_id !== undefined) {
        await checkObjects([["obj_id", obj_id]]);
        parts.record("rename", []);
        marks.nameObject(obj_id, name);
        return { affected: [] };
      }
      const { concepts, negativeConcepts } = await engine.describe();
      const known = [...concepts, ...negativeConcepts];
      const found = known.find((one) => one === normalise(concept ?? ""));
      if (found === undefined) {
        const list = known.map((one) => JSON.stringify(one)).join(", ") || "no concept";
        const message = `concept: expected one of ${list}, got ${JSON.stringify(concept)}`;
        throw new ProtocolError("concept_not_found", message, "concept");
      }
      parts.record("rename", []);
      marks.nameConcept(found, name);
      return { affected: [] };
    },

    async remove_concept({ concept }) {
      const { removedIds } = await apply("remove_concept", { kind: "removeConcept", concept });
      marks.nameConcept(normalise(concept), null);
      return { affected: [], removed_obj_ids: [...removedIds] };
    },
  };

  return {
    // The compiler does not relate the type of a request to its handler and to its answer.
    carryOut: (request) =>
      (handlers[request.type] as (one: never) => Promise<unknown>)(request as never) as never,
  };
}

/** As the detector normalises phrases. */
function normalise(concept: string): string {
  return concept.trim().replace(/\s+/g, " ").toLowerCase();
}
