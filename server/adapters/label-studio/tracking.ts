/** Prompts, propagation and results of a task, by requests to the predictor. */
import type { CocoRle } from "../../../protocol/index.js";
import { ask, propagate } from "../requests.js";
import { addFound, isStretch, type OpenTask, type Prompt, type TaskState } from "./tasks.js";

/** Sends a prompt of an object. */
export async function sendPrompt(task: OpenTask, objectId: number, prompt: Prompt): Promise<void> {
  const { client, sessionId: session_id } = task;
  const common = { session_id, obj_id: objectId };
  if (isStretch(prompt)) {
    const range = { first_frame_index: prompt.first, last_frame_index: prompt.last };
    await ask(client, { type: "mark_absent", ...common, ...range, absent: prompt.kind === "absent" });
    return;
  }
  const { box } = prompt;
  await ask(client, {
    type: "add_prompt",
    ...{ ...common, frame_index: prompt.frame, mask_format: "none" },
    ...(prompt.kind === "clicks" && { points: prompt.points, point_labels: prompt.labels }),
    ...(box && { bounding_boxes: [box] }),
  });
}

/** Searches for a phrase. The objects that it gives appear in the results. */
export async function sendPhrase({ client, sessionId: session_id }: OpenTask, text: string): Promise<void> {
  await ask(client, { type: "add_prompt", session_id, frame_index: 0, text, mask_format: "none" });
}

/**
 * Computes the frames that prompts have changed and those that were never computed. Ends early when the signal aborts; a later call
 * continues. Returns whether every frame is computed.
 */
export async function computeStale(
  { client, sessionId: session_id }: OpenTask,
  signal: AbortSignal,
): Promise<boolean> {
  if (signal.aborted) return false;
  for await (const _ of propagate(client, { session_id, scope: "affected", mask_format: "none" }))
    if (signal.aborted) return false;
  return true;
}

export interface TrackedObject {
  /** As `Track.boxes`. */
  boxes: Float64Array;
  /** By frame. */
  masks: (CocoRle | undefined)[];
  concept: string | undefined;
  /** Mean probability of the frames on which the object is visible. */
  score: number;
}

/**
 * The stored results by object.
 * @param options.withMasks false: `masks` stays empty
 * @param options.onlyFrame results of one frame; default: of all frames
 */
export async function readResults(
  { client, sessionId: session_id, facts }: OpenTask,
  { withMasks, onlyFrame }: { withMasks: boolean; onlyFrame?: number },
): Promise<Map<number, TrackedObject>> {
  const objects = new Map<number, TrackedObject>();
  const sums = new Map<number, { sum: number; count: number }>();
  const stored = propagate(client, {
    ...{ session_id, scope: "stored", propagation_direction: "forward", start_frame_index: onlyFrame ?? 0 },
    ...(onlyFrame !== undefined && { max_frame_num_to_track: 0 }),
    mask_format: withMasks ? "rle" : "none",
  });
  for await (const { frame_index, outputs } of stored) {
    const concepts = new Map(outputs.out_states.map(({ obj_id, prompt }) => [obj_id, prompt.concept]));
    outputs.out_obj_ids.forEach((id, at) => {
      const [x = 0, y = 0, width = 0, height = 0] = outputs.out_boxes_xywh[at] ?? [];
      if (width <= 0 || height <= 0) return;
      const object = objects.get(id) ?? emptyObject(facts.num_frames);
      objects.set(id, object);
      object.boxes.set([x, y, width, height], 4 * frame_index);
      object.masks[frame_index] = outputs.out_binary_masks?.[at];
      object.concept ??= concepts.get(id);
      const total = sums.get(id) ?? { sum: 0, count: 0 };
      sums.set(id, { sum: total.sum + (outputs.out_probs[at] ?? 0), count: total.count + 1 });
    });
  }
  for (const [id, { sum, count }] of sums) {
    const object = objects.get(id);
    if (object) object.score = Math.round((sum / count) * 1000) / 1000;
  }
  return objects;
}

const emptyObject = (numFrames: number): TrackedObject => ({
  boxes: new Float64Array(4 * numFrames),
  masks: [],
  concept: undefined,
  score: 0,
});

/** The objects that phrases have found become objects of the task, with the label of their phrase. */
export function adoptDetected(state: TaskState, results: ReadonlyMap<number, TrackedObject>): void {
  for (const [id, { concept }] of results) {
    const label = concept === undefined ? undefined : state.phrases.get(concept);
    if (concept !== undefined && label !== undefined && !state.objects.has(id))
      addFound(state, label, id, concept);
  }
}
