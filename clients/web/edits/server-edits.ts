/**
 * Edits that the server carries out. None asks for a confirmation: each can be undone. A running propagation is paused for the
 * edit and continued behind it, because the server refuses most edits meanwhile.
 */
import { defaultName } from "../session/objects.js";
import { FLAG, type FrameRange, runsOf, STATE } from "../timeline/lane-states.js";
import { rangeText } from "../timeline/summary.js";
import type { EditContext } from "./edit-context.js";
import { explainFailure } from "./explain.js";

export type ServerEdits = ReturnType<typeof createServerEdits>;

export function createServerEdits(context: EditContext) {
  const { client, objects } = context;

  /** Sends requests one after the other as one edit. @returns whether all succeeded */
  async function edit(title: string, requests: readonly (() => Promise<unknown>)[]): Promise<boolean> {
    const wasRunning = await context.pauseRun();
    let steps = 0;
    try {
      for (const request of requests) {
        await request();
        steps++;
      }
      return true;
    } catch (error) {
      const { title: failed, detail } = explainFailure(title, error);
      const part = `${steps} of ${requests.length} steps were carried out; undo takes them back.`;
      context.notify({
        kind: "error",
        title: failed,
        detail: steps === 0 ? detail : detail.replace("Nothing was changed.", part),
      });
      return false;
    } finally {
      if (steps > 0) {
        context.history.addServerEdit(title, steps);
        await refresh();
      }
      if (wasRunning) context.resumeRun();
    }
  }

  async function refresh(): Promise<void> {
    try {
      await context.refresh();
    } catch (error) {
      const detail = `The edit was carried out. ${(error as Error).message}. Reload the page to see it.`;
      context.notify({ kind: "error", title: "The results cannot be read again", detail });
    }
  }

  const nameOf = (id: number) => {
    const object = objects.value.find((one) => one.id === id);
    return object?.name ?? defaultName(id, object?.concept);
  };
  const namesOf = (ids: readonly number[]) =>
    ids.length === 1 ? nameOf(ids[0] as number) : `${ids.length} objects`;
  const explain = (title: string, detail: string) => context.notify({ kind: "info", title, detail });

  /** Stretches of a range where the object has a computed mask, or is locked. */
  function stretches(id: number, range: FrameRange, isLocked: boolean): FrameRange[] {
    const states = context.statesOf(id);
    if (!states) return [];
    const [values, passes] = isLocked
      ? [states.flags, (value: number) => (value & FLAG.locked) !== 0]
      : [states.state, (value: number) => value === STATE.present];
    return runsOf(values.subarray(range.first, range.last + 1), passes).map(({ first, last }) => ({
      first: first + range.first,
      last: last + range.first,
    }));
  }

  async function setLocked(ids: readonly number[], range: FrameRange, locked: boolean): Promise<boolean> {
    const title = `${locked ? "Lock" : "Unlock"} ${namesOf(ids)} on ${rangeText(range)}`;
    const requests = ids.flatMap((obj_id) =>
      stretches(obj_id, range, !locked).map(
        ({ first, last }) =>
          () =>
            client.lockFrames({ obj_id, first_frame_index: first, last_frame_index: last, locked }),
      ),
    );
    if (requests.length > 0) return edit(title, requests);
    if (locked) explain(title, "There is no computed mask on these frames. Run the tracker over them first.");
    else explain(title, "None of these frames is locked.");
    return false;
  }

  return {
    /** Keeps the masks on the frames of the range that have one. */
    lock: (ids: readonly number[], range: FrameRange) => setLocked(ids, range, true),
    unlock: (ids: readonly number[], range: FrameRange) => setLocked(ids, range, false),
    markAbsent: (ids: readonly number[], { first, last }: FrameRange, absent = true) =>
      edit(
        `${absent ? "Gone" : "Back"}: ${namesOf(ids)} on ${rangeText({ first, last })}`,
        ids.map(
          (obj_id) => () =>
            client.markAbsent({ obj_id, first_frame_index: first, last_frame_index: last, absent }),
        ),
      ),
    /** The first object remains. */
    merge(ids: readonly number[]): Promise<boolean> {
      const [obj_id, ...other_obj_ids] = ids;
      if (obj_id === undefined || other_obj_ids.length === 0) {
        explain("Merge", "Select two or more objects first.");
        return Promise.resolve(false);
      }
      return edit(`Merge ${ids.length} objects into ${nameOf(obj_id)}`, [
        () => client.mergeObjects({ obj_id, other_obj_ids }),
      ]);
    },
    split(obj_id: number, frame_index: number): Promise<boolean> {
      if (frame_index === 0) {
        explain("Split", "A split needs a frame before it. Go to the first frame of the new object.");
        return Promise.resolve(false);
      }
      return edit(`Split ${nameOf(obj_id)} at frame ${frame_index}`, [
        () => client.splitObject({ obj_id, frame_index }),
      ]);
    },
    swap: (obj_id: number, other_obj_id: number, frame_index: number) =>
      edit(`Swap ${nameOf(obj_id)} and ${nameOf(other_obj_id)} from frame ${frame_index} on`, [
        () => client.swapObjects({ obj_id, other_obj_id, frame_index }),
      ]),
    remove: (ids: readonly number[]) =>
      edit(
        `Remove ${namesOf(ids)}`,
        ids.map((id) => () => client.removeObject(id)),
      ),
    /** @param name empty: the name is removed */
    rename(obj_id: number, name: string): Promise<boolean> {
      const trimmed = name.trim().slice(0, 200);
      const old = objects.value.find(({ id }) => id === obj_id)?.name ?? "";
      if (trimmed === old) return Promise.resolve(true);
      return edit(`Rename ${nameOf(obj_id)}`, [
        () => client.rename(trimmed === "" ? { obj_id } : { obj_id, name: trimmed }),
      ]);
    },
    removeConcept: (concept: string) =>
      edit(`Remove the concept ${concept}`, [() => client.removeConcept(concept)]),
    async undo(): Promise<void> {
      await step("undo");
    },
    async redo(): Promise<void> {
      await step("redo");
    },
  };

  async function step(direction: "undo" | "redo"): Promise<void> {
    const word = direction === "undo" ? "Undo" : "Redo";
    const wasRunning = await context.pauseRun();
    try {
      const title = await context.history[direction]();
      if (title === undefined) explain(word, `There is nothing left to ${direction}.`);
      else context.notify({ kind: "info", title: `${word}: ${title}`, topic: "history" });
    } catch (error) {
      context.notify({ kind: "error", ...explainFailure(word, error) });
    } finally {
      if (wasRunning) context.resumeRun();
    }
  }
}
